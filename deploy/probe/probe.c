/* probe: says what can be reached from where it runs.
 *
 *   probe tcp/10.0.0.1/80 udp/10.0.0.1/53 …
 *
 * prints each target with what became of it, within two seconds for all together:
 *
 *   reached  connected, or an answer came
 *   refused  somebody said no: packets go there and back
 *   silent   nothing came back, or there is no way there
 *
 * UDP is asked a question of DNS, for the name server's own name.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TARGETS = 256, PATIENCE_MS = 2000 };

static const char question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1"; /* NS of the root */

static struct pollfd fds[TARGETS];
static const char *outcomes[TARGETS];

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *failed(int error)
{
    return error == ECONNREFUSED || error == ECONNRESET ? "refused" : "silent";
}

/* Begins to ask; what is known at once is written down. */
static void ask(int slot, const char *target)
{
    char kind[4], address[64];
    int port;
    struct sockaddr_in to = {.sin_family = AF_INET};
    fds[slot].fd = -1;
    if (sscanf(target, "%3[a-z]/%63[0-9.]/%d", kind, address, &port) != 3 ||
        inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        fprintf(stderr, "probe: %s is no target; they are such as tcp/10.0.0.1/80\n", target);
        exit(2);
    }
    to.sin_port = htons(port);
    int tcp = !strcmp(kind, "tcp");
    int fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) ||
        (!tcp && send(fd, question, sizeof question - 1, 0) < 0)) {
        outcomes[slot] = failed(errno);
        return;
    }
    fds[slot].fd = fd;
    fds[slot].events = tcp ? POLLOUT : POLLIN;
}

static void hear(int slot)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fds[slot].fd, SOL_SOCKET, SO_ERROR, &error, &size);
    outcomes[slot] = error ? failed(error) : "reached";
    fds[slot].fd = -1;
}

int main(int argc, char **argv)
{
    int count = argc - 1 < TARGETS ? argc - 1 : TARGETS;
    for (int i = 0; i < count; i++)
        ask(i, argv[i + 1]);
    long end = now_ms() + PATIENCE_MS, left;
    while ((left = end - now_ms()) > 0 && poll(fds, count, left) > 0)
        for (int i = 0; i < count; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                hear(i);
    for (int i = 0; i < count; i++)
        printf("%s %s\n", outcomes[i] ? outcomes[i] : "silent", argv[i + 1]);
    return 0;
}
