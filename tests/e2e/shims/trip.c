/* Stops or kills a process at an exact step of a login; for tests only.

   Preloaded into relay, daemon, device and whatever loads the PAM module, it looks at
   what crosses their sockets and disks.  At each event it looks for a file

       FOLDER/ROLE-EVENT-SIGNAL-COUNT      as in daemon-verdict_sent-KILL-1

   and sends itself the signal, before anything of the program runs again, if COUNT is
   1; else it counts the file down.  The program knows nothing of it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER "/run/pushmfa-demo/trip"
#define CARD "digits), d = deny"

enum { COUNTS = 3, FRAMES_MAX = 65536, DESCRIPTORS = 1024 };

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool is_pam[DESCRIPTORS]; /* connected to pam.sock by this very process */

/* Programs that have no role load the PAM module, or nothing of interest. */
static const char *
role(void)
{
    const char *name = getenv("PUSHMFA_TRIP");

    return name != NULL ? name : "module";
}

static void
strike(int number)
{
    (void)syscall(SYS_tgkill, getpid(), gettid(), number);
}

static void
event(const char *name)
{
    static const char *const signals[] = {"KILL", "STOP"};
    char path[256], lower[256];
    int i, count;

    for (i = 0; i < 2; i++)
        for (count = 1; count <= COUNTS; count++) {
            (void)snprintf(path, sizeof(path), "%s/%s-%s-%s-%d", FOLDER, role(),
                           name, signals[i], count);
            (void)snprintf(lower, sizeof(lower), "%s/%s-%s-%s-%d", FOLDER,
                           role(), name, signals[i], count - 1);
            if (count > 1 && rename(path, lower) == 0)
                return;
            if (count == 1 && unlink(path) == 0) {
                strike(i == 0 ? SIGKILL : SIGSTOP);
                return;
            }
        }
}

static bool
is_role(const char *name)
{
    return strcmp(role(), name) == 0;
}

static int
option_of(int fd, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value
                                                                    : -1;
}

static bool
is_network(int fd)
{
    int domain = option_of(fd, SO_DOMAIN);

    return domain == AF_INET || domain == AF_INET6;
}

/* Unmask one frame's payload into text; return the length of the frame. */
static size_t
frame_of(const unsigned char *bytes, size_t length, char *text)
{
    size_t size, head = 2, i;
    const unsigned char *mask = NULL;

    if (length < 2)
        return 0;
    size = bytes[1] & 0x7f;
    if (size == 127 || (size == 126 && length < 4))
        return 0;
    if (size == 126) {
        size = ((size_t)bytes[2] << 8) | bytes[3];
        head = 4;
    }
    if ((bytes[1] & 0x80) != 0) {
        mask = bytes + head;
        head += 4;
    }
    if (head + size > length)
        return 0;
    for (i = 0; i < size; i++)
        text[i] = (char)(bytes[head + i] ^ (mask != NULL ? mask[i % 4] : 0));
    text[size] = '\0';
    return head + size;
}

/* An event for every envelope in what goes over a relay's link. */
static void
envelopes(int fd, const void *data, ssize_t length, const char *name)
{
    static char text[FRAMES_MAX + 1];
    const unsigned char *bytes = data;
    size_t left = length > 0 ? (size_t)length : 0, used;

    if (left == 0 || left > FRAMES_MAX || is_role("module") || !is_network(fd))
        return;
    while ((used = frame_of(bytes, left, text)) > 0) {
        if (strstr(text, "\"type\":\"envelope\"") != NULL ||
            strstr(text, "\"type\":\"stored\"") != NULL)
            event(name);
        bytes += used;
        left -= used;
    }
}

/* What daemon and module say to each other. */
static void
datagram(int fd, const void *data, ssize_t length, bool is_sent, bool is_over)
{
    const char *bytes = data;

    if (length <= 0 || option_of(fd, SO_TYPE) != SOCK_SEQPACKET)
        return;
    if (is_role("module") && (fd >= DESCRIPTORS || !is_pam[fd]))
        return;
    if (!is_over) {
        if (bytes[0] == 'V')
            event("verdict_ready");
        return;
    }
    if (length > 8 && memcmp(bytes, "pushmfa1", 8) == 0)
        event(is_sent ? "request_sent" : "request_received");
    else if (bytes[0] == 'P' || bytes[0] == 'I')
        event(is_sent ? "number_sent" : "number_received");
    else if (bytes[0] == 'A')
        event(is_sent ? "enter_sent" : "enter_received");
    else if (bytes[0] == 'V')
        event(is_sent ? "verdict_sent" : "verdict_received");
}

static void
before_sending(int fd, const void *data, size_t length)
{
    datagram(fd, data, (ssize_t)length, true, false);
    envelopes(fd, data, (ssize_t)length, "envelope_ready");
}

static void
after_sending(int fd, const void *data, ssize_t length)
{
    datagram(fd, data, length, true, true);
    envelopes(fd, data, length, "envelope_sent");
}

static void
after_receiving(int fd, const void *data, ssize_t length)
{
    datagram(fd, data, length, false, true);
    envelopes(fd, data, length, "envelope_received");
}

ssize_t
send(int fd, const void *data, size_t length, int flags)
{
    ssize_t sent;

    before_sending(fd, data, length);
    sent = REAL(send)(fd, data, length, flags);
    after_sending(fd, data, sent);
    return sent;
}

ssize_t
recv(int fd, void *data, size_t length, int flags)
{
    ssize_t got = REAL(recv)(fd, data, length, flags);

    after_receiving(fd, data, got);
    return got;
}

ssize_t
recvmsg(int fd, struct msghdr *header, int flags)
{
    ssize_t got = REAL(recvmsg)(fd, header, flags);

    if (header->msg_iovlen > 0)
        after_receiving(fd, header->msg_iov[0].iov_base, got);
    return got;
}

ssize_t
write(int fd, const void *data, size_t length)
{
    ssize_t written;

    if (is_role("module"))
        return REAL(write)(fd, data, length);
    before_sending(fd, data, length);
    written = REAL(write)(fd, data, length);
    after_sending(fd, data, written);
    if (is_role("device") && fd == 1 && written > 0 &&
        memmem(data, (size_t)written, CARD, strlen(CARD)) != NULL)
        event("card_shown");
    return written;
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    ssize_t written;

    if (count == 1)
        return write(fd, parts[0].iov_base, parts[0].iov_len);
    written = REAL(writev)(fd, parts, count);
    if (written > 0 && !is_role("module") && is_network(fd))
        (void)REAL(write)(2, "trip: writev of several parts\n", 30);
    return written;
}

ssize_t
read(int fd, void *data, size_t length)
{
    ssize_t got = REAL(read)(fd, data, length);

    if (!is_role("module"))
        after_receiving(fd, data, got);
    return got;
}

int
accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int accepted = REAL(accept4)(fd, address, length, flags);

    if (accepted >= 0 && option_of(accepted, SO_TYPE) == SOCK_SEQPACKET)
        event("connection_accepted");
    return accepted;
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
    static const char end[] = "/pam.sock";
    int code = REAL(connect)(fd, address, length);

    if (code == 0 && fd < DESCRIPTORS && address->sa_family == AF_UNIX) {
        const char *path = ((const struct sockaddr_un *)address)->sun_path;
        size_t size = strnlen(path, sizeof(((struct sockaddr_un *)0)->sun_path));

        if (size >= sizeof(end) - 1 &&
            memcmp(path + size - (sizeof(end) - 1), end, sizeof(end) - 1) ==
                0) {
            is_pam[fd] = true;
            event("connected");
        }
    }
    return code;
}

int
close(int fd)
{
    int code = REAL(close)(fd);

    if (fd >= 0 && fd < DESCRIPTORS && is_pam[fd]) {
        is_pam[fd] = false;
        event("returned");
    }
    return code;
}

int
fdatasync(int fd)
{
    int code;

    event("flush_ready");
    code = REAL(fdatasync)(fd);
    event("flushed");
    return code;
}
