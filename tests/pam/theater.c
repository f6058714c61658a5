/* What stands around the application of a case. */

#include "theater.h"
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static bool
is(const struct script *script, const char *word, const char *value)
{
    return strcmp(script_option(script, word, ""), value) == 0;
}

/* A case whose scenery is not as written would test something else. */
static void
must(int result, const char *what)
{
    if (result != 0)
        give_up(0, "cannot %s: %s", what, strerror(errno));
}

bool
theater_needs_root(const struct script *script)
{
    return geteuid() != 0 && (is(script, "folder_owner", "nobody") ||
                              is(script, "socket_owner", "nobody") ||
                              is(script, "peer", "nobody"));
}

/* The far end of every socket of the case: nobody may inherit it twice. */
static int
make_listener(const struct script *script, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int type = is(script, "socket", "stream") ? SOCK_STREAM : SOCK_SEQPACKET;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        give_up(0, "cannot make a socket");
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        give_up(0, "cannot bind %s", path);
    if (is(script, "socket", "deaf"))
        return fd; /* as a daemon that has died left it */
    if (is(script, "peer", "nobody"))
        must(seteuid(NOBODY), "seteuid"); /* noted by listen() */
    if (listen(fd, 5) != 0)
        give_up(0, "cannot listen");
    if (is(script, "peer", "nobody"))
        must(seteuid(0), "seteuid");
    return fd;
}

static void
build_socket(const struct script *script, struct stage *stage)
{
    const char *mode = script_option(script, "socket_mode", "0600");
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/run/pam.sock", script->folder);
    if (is(script, "socket", "none"))
        return;
    if (is(script, "socket", "file"))
        (void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    else if (is(script, "socket", "symlink")) {
        char target[160];

        (void)snprintf(target, sizeof(target), "%s/real.sock", script->folder);
        stage->listener = make_listener(script, target);
        must(symlink(target, path), "symlink");
        return;
    } else
        stage->listener = make_listener(script, path);
    must(chmod(path, (mode_t)strtoul(mode, NULL, 8)), "chmod");
    if (is(script, "socket_owner", "nobody"))
        must(chown(path, NOBODY, 0), "chown");
}

static void
build_folders(struct script *script, struct stage *stage)
{
    const char *mode = script_option(script, "folder_mode", "0700");
    const char *base = getenv("TMPDIR");
    char path[128], target[128];

    (void)snprintf(script->folder, sizeof(script->folder),
                   "%.40s/pushmfa.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(script->folder) == NULL)
        give_up(0, "cannot make %s", script->folder);
    (void)snprintf(path, sizeof(path), "%s/pam.d", script->folder);
    must(mkdir(path, 0700), "mkdir");
    (void)snprintf(path, sizeof(path), "%s/run", script->folder);
    if (is(script, "folder", "missing"))
        return;
    if (is(script, "folder", "symlink")) {
        (void)snprintf(target, sizeof(target), "%s/real", script->folder);
        must(mkdir(target, 0700), "mkdir");
        must(symlink(target, path), "symlink");
    } else
        must(mkdir(path, 0700), "mkdir");
    build_socket(script, stage);
    if (!is(script, "folder", "symlink"))
        must(chmod(path, (mode_t)strtoul(mode, NULL, 8)), "chmod");
    if (is(script, "folder_owner", "nobody"))
        must(chown(path, NOBODY, 0), "chown");
}

/* Give this session a terminal; ours is its standard input. */
static void
build_terminal(const struct script *script, struct stage *stage)
{
    struct termios settings;
    char name[64];
    int near;

    if (!is(script, "terminal", "yes") && !is(script, "terminal", "raw"))
        return;
    stage->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (stage->terminal < 0 || grantpt(stage->terminal) != 0 ||
        unlockpt(stage->terminal) != 0 ||
        ptsname_r(stage->terminal, name, sizeof(name)) != 0)
        give_up(0, "cannot make a terminal");
    near = open(name, O_RDWR | O_CLOEXEC); /* becomes our controlling one */
    if (near < 0 || ioctl(near, TIOCSCTTY, 0) != 0 || dup2(near, 0) != 0)
        give_up(0, "cannot open %s", name);
    (void)close(near);
    if (is(script, "terminal", "raw") && tcgetattr(0, &settings) == 0) {
        settings.c_lflag &= ~(tcflag_t)ICANON;
        (void)tcsetattr(0, TCSANOW, &settings);
    }
    (void)signal(SIGHUP, SIG_IGN); /* as sudo, which only records it */
}

union address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

static int
tcp_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        give_up(0, "no TCP of family %d here", family);
    return fd;
}

/* Connect near to far through a listener; sshd's end stays open, as in sshd.
 *name is where to listen; the ssh client's end is returned. */
static int
connect_client(union address *name, int client_family)
{
    socklen_t length = sizeof(*name);
    int listener = tcp_socket(name->any.sa_family);
    int client = tcp_socket(client_family);

    must(bind(listener, &name->any, sizeof(*name)), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, &name->any, &length), "getsockname");
    if (client_family != name->any.sa_family) { /* through the dual stack */
        in_port_t port = name->ipv6.sin6_port;

        name->ipv4 =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        name->ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    must(connect(client, &name->any, sizeof(*name)), "connect");
    if (accept(listener, NULL, NULL) < 0)
        give_up(0, "cannot accept");
    (void)close(listener);
    return client;
}

static void
build_client(const struct script *script, struct stage *stage)
{
    bool mapped = is(script, "client", "mapped");
    bool ipv6 = is(script, "client", "ipv6");
    const char *host = ipv6 ? "::1" : "127.0.0.1";
    union address name = {.ipv6 = {.sin6_family = AF_INET6}};
    socklen_t length = sizeof(name);
    char conn[128];

    if (script_option(script, "client", NULL) == NULL)
        return;
    if (ipv6)
        name.ipv6.sin6_addr = in6addr_loopback;
    else if (!mapped) {
        name.ipv4 = (struct sockaddr_in){.sin_family = AF_INET};
        name.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    stage->client = connect_client(&name, ipv6 ? AF_INET6 : AF_INET);
    must(getsockname(stage->client, &name.any, &length), "getsockname");
    (void)snprintf(conn, sizeof(conn), "%s %d %s 22", host,
                   ntohs(ipv6 ? name.ipv6.sin6_port : name.ipv4.sin_port),
                   host);
    (void)setenv("PUSHMFA_CONN", conn, 1);
}

void
theater_build(struct script *script, struct stage *stage)
{
    *stage = (struct stage){
        .listener = -1, .terminal = -1, .client = -1, .parent = -1};
    build_folders(script, stage);
    build_terminal(script, stage);
    build_client(script, stage);
}

/* Wait for pid and end as it ended. */
static void
end_as(pid_t pid)
{
    int status = 1;

    while (waitpid(pid, &status, 0) < 0)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void
theater_adopt(const struct script *script, struct stage *stage)
{
    int pipe_ends[2];
    pid_t parent, application;
    char byte;

    if (!is(script, "parent", "dies"))
        return;
    if (pipe2(pipe_ends, O_CLOEXEC) != 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        give_up(0, "cannot make a parent");
    parent = fork();
    if (parent != 0) { /* we adopt the application when its parent is gone */
        (void)close(pipe_ends[1]);
        (void)waitpid(parent, NULL, 0);
        end_as(-1);
    }
    application = fork();
    if (application != 0) { /* the parent */
        (void)close(pipe_ends[1]);
        while (read(pipe_ends[0], &byte, 1) > 0)
            ;
        _exit(0);
    }
    (void)close(pipe_ends[0]);
    stage->parent = pipe_ends[1];
}

void
theater_remove(const struct script *script)
{
    static const char *const names[] = {
        "run/pam.sock", "real/pam.sock", "real.sock", "run",
        "real",         "pam.d/other",   "pam.d"};
    char path[256];
    size_t i;

    (void)snprintf(path, sizeof(path), "%s/pam.d/%s", script->folder,
                   script_option(script, "service", "sshd"));
    (void)remove(path);
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", script->folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(script->folder);
}
