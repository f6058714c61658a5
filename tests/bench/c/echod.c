/* The floor's daemon: one request a connection, answered "ok".  echod PATH */

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 128) != 0) {
        perror(path);
        _exit(1);
    }
    return fd;
}

int
main(int argc, char **argv)
{
    int listener;

    if (argc != 2)
        return 2;
    listener = listen_on(argv[1]);
    for (;;) {
        char request[1024];
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            continue;
        if (recv(fd, request, sizeof(request), 0) > 0)
            (void)send(fd, "ok", 2, MSG_NOSIGNAL);
        (void)close(fd);
    }
}
