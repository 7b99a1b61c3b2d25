/* What the kernel costs: a farm of Modbus TCP devices that is not the bottleneck, and a client that does nothing but ask.
 *
 *   floor farm                                  prints its port; every connection is a device, FC 3, any unit
 *   floor client PORT DEVICES SECONDS HERTZ     asks every device for 125 registers; HERTZ 0 is as fast as it goes;
 *                                               prints requests and microseconds of CPU
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REGISTERS = 125, ANSWER = 9 + 2 * REGISTERS, REQUEST = 12, EVENTS = 512 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void answer(int fd) {
    uint8_t in[REQUEST * 4], out[9 + 250];
    ssize_t got = recv(fd, in, sizeof in, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close(fd);
        return;
    }
    for (ssize_t at = 0; at + REQUEST <= got; at += REQUEST) {
        unsigned start = in[at + 8] << 8 | in[at + 9], count = in[at + 10] << 8 | in[at + 11];
        if (count > REGISTERS) count = REGISTERS;
        memcpy(out, in + at, 8);
        out[4] = (3 + 2 * count) >> 8, out[5] = 3 + 2 * count, out[8] = 2 * count;
        for (unsigned i = 0; i < count; i++) out[9 + 2 * i] = (start + i) >> 8, out[10 + 2 * i] = start + i;
        send(fd, out, 9 + 2 * count, MSG_NOSIGNAL);
    }
}

static int farm(void) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    socklen_t size = sizeof where;
    int listening = socket(AF_INET, SOCK_STREAM, 0), queue = epoll_create1(0);
    if (bind(listening, (void *)&where, size) || listen(listening, 4096)) return 1;
    getsockname(listening, (void *)&where, &size);
    event.data.fd = listening;
    epoll_ctl(queue, EPOLL_CTL_ADD, listening, &event);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(queue, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listening) {
                answer(events[i].data.fd);
                continue;
            }
            event.data.fd = accept4(listening, 0, 0, SOCK_NONBLOCK);
            if (event.data.fd < 0) continue;
            no_delay(event.data.fd);
            epoll_ctl(queue, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
}

static int client(int port, int devices, double length, double hertz) {
    static const int phases = 20;
    const uint8_t request[REQUEST] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, REGISTERS};
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    int queue = epoll_create1(0), *fd = malloc(devices * sizeof *fd), slice = hertz > 0 ? devices / phases : devices;
    uint8_t in[ANSWER + 1];
    long requests = 0;
    for (int i = 0; i < devices; i++) {
        event.data.fd = fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd[i], (void *)&where, sizeof where)) return 1;
        no_delay(fd[i]);
        epoll_ctl(queue, EPOLL_CTL_ADD, fd[i], &event);
    }
    double start = seconds(), used = cpu();
    for (long turn = 0; seconds() - start < length; turn++) {
        int first = hertz > 0 ? turn % phases * slice : 0, left = slice;
        for (int i = first; i < first + slice; i++) send(fd[i], request, REQUEST, 0);
        while (left) {
            int n = epoll_wait(queue, events, EVENTS, -1);
            for (int i = 0; i < n; i++, left--)
                if (recv(events[i].data.fd, in, sizeof in, 0) != ANSWER) return 1;
        }
        requests += slice;
        if (hertz > 0) {
            double due = start + (turn + 1) / (hertz * phases);
            struct timespec until = {.tv_sec = due, .tv_nsec = (due - (long)due) * 1e9};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
        }
    }
    printf("%ld %.0f\n", requests, (cpu() - used) * 1e6);
    return 0;
}

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "farm")) return farm();
    if (count == 6) return client(atoi(words[2]), atoi(words[3]), atof(words[4]), atof(words[5]));
    return 2;
}
