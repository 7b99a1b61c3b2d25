/* A Modbus RTU server on libmodbus, for a serial line. Unit 5; every register holds its own address.
 * Usage: peer_rtu PATH BAUD PARITY. Prints a number when it listens. */
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
    if (count != 4) return 2;
    modbus_t *ctx = modbus_new_rtu(words[1], atoi(words[2]), words[3][0], 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(200, 200, 200, 200);
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    if (!ctx || !map || modbus_set_slave(ctx, 5) || modbus_connect(ctx)) return 1;
    for (int i = 0; i < 200; i++) {
        map->tab_registers[i] = map->tab_input_registers[i] = i;
        map->tab_bits[i] = map->tab_input_bits[i] = i % 3 == 0;
    }
    puts("1");
    fflush(stdout);
    for (;;) {
        int length = modbus_receive(ctx, query);
        if (length > 0) modbus_reply(ctx, query, length, map);
    }
}
