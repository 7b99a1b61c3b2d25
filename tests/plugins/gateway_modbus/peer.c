/* A Modbus TCP server on libmodbus, as an independent judge of types and byte orders. Prints its port.
 * Holding 0..: float32 in ABCD, CDAB, BADC, DCBA; 8..: int32; 12..: int64; 16: int16; input 0: uint16.
 * 200 registers and bits are mapped; beyond them it answers exception 2 by itself. */
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(200, 200, 200, 200);
    struct sockaddr_in bound;
    socklen_t size = sizeof bound;
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int listening, length;
    if (!ctx || !map) return 1;
    /* -123.4375 is 0xC2F6E000. Not by modbus_set_float_*: what these do depends on the version and on the host's
     * byte order (libmodbus #358, #665, #807); a register is a number, and libmodbus sends its high byte first. */
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 0, 0xC2F6E000);
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 2, 0xE000C2F6);
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 4, 0xF6C200E0);
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 6, 0x00E0F6C2);
    MODBUS_SET_INT32_TO_INT16(map->tab_registers, 8, -70000);
    MODBUS_SET_INT64_TO_INT16(map->tab_registers, 12, -9007199254740993LL);
    map->tab_registers[16] = (uint16_t) -2;
    map->tab_input_registers[0] = 65535;
    modbus_set_bits_from_byte(map->tab_bits, 3, 0xA5);
    modbus_set_bits_from_byte(map->tab_input_bits, 11, 0x3C);
    if ((listening = modbus_tcp_listen(ctx, 4)) < 0) return 1;
    if (getsockname(listening, (struct sockaddr *) &bound, &size) < 0) return 1;
    printf("%d\n", ntohs(bound.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(ctx, &listening) >= 0) {
        while ((length = modbus_receive(ctx, query)) >= 0)
            if (length > 0) modbus_reply(ctx, query, length, map);
        close(modbus_get_socket(ctx));
    }
    return 0;
}
