/* hello: the smallest site that behaves like one, and misbehaves on request.
 *
 *   any path           200, a page with "Hello" and the container's hostname
 *   /status/<code>     that status (200 to 599)
 *   /exit/<code>       answers, then exits with that code
 *   /oom               answers, then takes memory until it is killed
 *
 *   HELLO_DELAY_MS     waits before it listens
 *   HELLO_STATUS       the status of every ordinary answer
 *   HELLO_EXIT         exits at once with that code and a line on stderr
 *
 * One process, one poll loop, at most CONNECTIONS clients, each with a deadline. Every answer says
 * "Connection: close" and has a length; what a client still sends is read, so that it is not reset.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 8080, CONNECTIONS = 128, REQUEST = 4096, DEADLINE_S = 10, OOM_LIMIT_MB = 2048 };

struct client {
    time_t deadline;
    size_t length;
    int answered;
    char request[REQUEST];
};

static struct pollfd fds[CONNECTIONS + 1]; /* the last one listens */
static struct client clients[CONNECTIONS];
static char host[65];

static time_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static char *add(char *to, const char *text)
{
    return stpcpy(to, text);
}

static char *add_number(char *to, long n)
{
    char digits[21], *d = digits + sizeof digits;
    *--d = 0;
    do
        *--d = '0' + n % 10;
    while (n /= 10);
    return add(to, d);
}

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        return; /* nobody reads the log: no reason to stop */
}

/* A number from `text`, or `other` where it is not one from `low` to `high`. */
static int number(const char *text, int low, int high, int other)
{
    char *end;
    long n = text ? strtol(text, &end, 10) : 0;
    return text && end != text && (!*end || *end == ' ' || *end == '?') && n >= low && n <= high ? n : other;
}

static int environment(const char *name, int low, int high, int other)
{
    return number(getenv(name), low, high, other);
}

/* The rest of the request's path after `prefix`, or null. */
static const char *under(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(path, prefix, n) ? NULL : path + n;
}

static void take_memory(void)
{
    for (int mb = 0; mb < OOM_LIMIT_MB; mb++) {
        void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            break;
        memset(p, 1, 1 << 20);
    }
    say(2, "hello: /oom, and there was no memory limit\n");
    _exit(1);
}

static void answer(int fd, struct client *c)
{
    char body[256], head[256], line[160], *end;
    char *path = strchr(c->request, ' ');
    int ok = path && path[1] == '/';
    path = ok ? path + 1 : "/";
    int status = ok ? environment("HELLO_STATUS", 200, 599, 200) : 400;
    status = number(under(path, "/status/"), 200, 599, status);

    end = add(body, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Hello</title>"
                    "<h1>Hello</h1><p>This is <code>");
    end = add(add(end, host), "</code>.</p></html>\n");
    long length = status == 204 || status == 304 ? 0 : end - body;

    end = add_number(add(head, "HTTP/1.1 "), status);
    end = add(end, " Hello\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n");
    end = add(add_number(add(end, "Content-Length: "), length), "\r\nConnection: close\r\n\r\n");

    int with_body = length && strncmp(c->request, "HEAD ", 5);
    if (send(fd, head, end - head, with_body ? MSG_MORE : 0) > 0 && with_body)
        send(fd, body, length, 0);
    shutdown(fd, SHUT_WR);

    end = add_number(line, status);
    *end++ = ' ';
    for (char *r = c->request; *r >= ' ' && *r <= '~' && r < c->request + 100; r++)
        *end++ = *r;
    add(end, "\n");
    say(1, line);

    int code = number(under(path, "/exit/"), 0, 255, -1);
    if (code >= 0)
        _exit(code);
    if (under(path, "/oom "))
        take_memory();
}

static void leave(int slot)
{
    close(fds[slot].fd);
    fds[slot].fd = -1;
}

static void serve(int slot)
{
    struct client *c = &clients[slot];
    char rest[REQUEST];
    ssize_t n = c->answered ? read(fds[slot].fd, rest, sizeof rest)
                            : read(fds[slot].fd, c->request + c->length, REQUEST - 1 - c->length);
    if (n <= 0) {
        leave(slot);
        return;
    }
    if (c->answered)
        return;
    c->length += n;
    c->request[c->length] = 0;
    if (strstr(c->request, "\r\n\r\n") || c->length == REQUEST - 1) {
        c->answered = 1;
        answer(fds[slot].fd, c);
    }
}

static void welcome(int listener)
{
    int slot = 0;
    while (slot < CONNECTIONS && fds[slot].fd >= 0)
        slot++;
    if (slot == CONNECTIONS)
        return; /* full: the client waits in the kernel's queue */
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    fds[slot].fd = fd;
    fds[slot].events = POLLIN;
    fds[slot].revents = 0;
    clients[slot].deadline = now() + DEADLINE_S;
    clients[slot].length = clients[slot].answered = 0;
}

static void stop(int signal)
{
    (void)signal;
    _exit(0);
}

int main(void)
{
    int code = environment("HELLO_EXIT", 0, 255, -1);
    if (code >= 0) {
        say(2, "hello: HELLO_EXIT is set, so I leave at once\n");
        return code;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    signal(SIGPIPE, SIG_IGN);
    gethostname(host, sizeof host - 1);

    int delay = environment("HELLO_DELAY_MS", 0, 3600000, 0);
    nanosleep(&(struct timespec){delay / 1000, delay % 1000 * 1000000L}, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) {
        say(2, "hello: cannot listen on port 8080\n");
        return 1;
    }
    say(1, "hello: listening on port 8080\n");

    for (int i = 0; i < CONNECTIONS; i++)
        fds[i].fd = -1;
    for (;;) {
        int free = 0;
        time_t time = now();
        for (int i = 0; i < CONNECTIONS; i++) {
            if (fds[i].fd >= 0 && time > clients[i].deadline)
                leave(i);
            free |= fds[i].fd < 0;
        }
        fds[CONNECTIONS] = (struct pollfd){.fd = free ? listener : -1, .events = POLLIN};
        if (poll(fds, CONNECTIONS + 1, 1000) < 0)
            continue;
        for (int i = 0; i < CONNECTIONS; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                serve(i);
        if (fds[CONNECTIONS].revents)
            welcome(listener);
    }
}
