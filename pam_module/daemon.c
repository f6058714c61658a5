/* The connection to the daemon: is it the real one, and datagrams both ways. */

#include "daemon.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define HINT "is the daemon running? 'pushmfa check' tells more"

/* Our own effective user is as good as root: outside of tests it is root. */
static bool
is_trusted_user(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

static bool
check_owner(const pam_handle_t *pamh, const char *path,
            const struct stat *status)
{
    if (!is_trusted_user(status->st_uid)) {
        pam_syslog(pamh, LOG_ERR,
                   "%s is owned by uid %u: refused; it must be root's", path,
                   status->st_uid);
        return false;
    }
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        pam_syslog(pamh, LOG_ERR,
                   "%s has mode %04o: refused; only its owner may write", path,
                   status->st_mode & 07777);
        return false;
    }
    return true;
}

/* lstat, here and below: whoever may place a symlink may choose the daemon. */
static bool
check_folder(const pam_handle_t *pamh, const char *path)
{
    struct sockaddr_un address;
    char folder[sizeof(address.sun_path)];
    size_t length = (size_t)(strrchr(path, '/') - path);
    struct stat status;

    while (length > 1 && path[length - 1] == '/')
        length--; /* with a slash at the end lstat would follow a symlink */
    if (length == 0)
        length = 1;
    memcpy(folder, path, length);
    folder[length] = '\0';
    if (lstat(folder, &status) != 0) {
        pam_syslog(pamh, LOG_ERR, "cannot use %s: %s; " HINT, folder,
                   strerror(errno));
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        pam_syslog(pamh, LOG_ERR, "%s is not a directory: refused", folder);
        return false;
    }
    return check_owner(pamh, folder, &status);
}

static bool
check_socket(const pam_handle_t *pamh, const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0) {
        pam_syslog(pamh, LOG_ERR, "cannot use %s: %s; " HINT, path,
                   strerror(errno));
        return false;
    }
    if (!S_ISSOCK(status.st_mode)) {
        pam_syslog(pamh, LOG_ERR, "%s is not a socket: refused", path);
        return false;
    }
    return check_owner(pamh, path, &status);
}

static bool
check_peer(int fd, const pam_handle_t *pamh, const char *path)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        pam_syslog(pamh, LOG_ERR, "cannot tell who listens on %s: %s", path,
                   strerror(errno));
        return false;
    }
    if (!is_trusted_user(peer.uid)) {
        pam_syslog(pamh, LOG_ERR,
                   "uid %u listens on %s: refused; it must be root", peer.uid,
                   path);
        return false;
    }
    return true;
}

/* Connect within DAEMON_PATIENCE even if the daemon's queue is full. */
static bool
connect_in_time(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = DAEMON_PATIENCE};
    int code, tries = 0;

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) !=
        0)
        return false;
    /* sudo records signals; a few of them are no reason to give up. */
    do
        code = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    while (code != 0 && errno == EINTR && ++tries < DAEMON_PATIENCE);
    return code == 0;
}

int
daemon_connect(const pam_handle_t *pamh, const char *path)
{
    int fd;

    if (!check_folder(pamh, path) || !check_socket(pamh, path))
        return -1;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        pam_syslog(pamh, LOG_ERR, "cannot make a socket: %s", strerror(errno));
        return -1;
    }
    if (!connect_in_time(fd, path)) {
        pam_syslog(pamh, LOG_ERR, "cannot connect to %s: %s; " HINT, path,
                   strerror(errno));
        (void)close(fd);
        return -1;
    }
    if (!check_peer(fd, pamh, path)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool
daemon_send(int fd, const char *bytes, size_t length)
{
    ssize_t sent;

    /* sudo, su and login may have been started with SIGPIPE at its default. */
    do
        sent = send(fd, bytes, length, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)length;
}

/* A peer that closes with our last datagram unread makes the kernel report
   ECONNRESET once, before the datagrams that it had sent: ask again. */
static ssize_t
receive(int fd, struct msghdr *header)
{
    const int flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
    ssize_t got = recvmsg(fd, header, flags);

    if (got < 0 && (errno == ECONNRESET || errno == EINTR))
        got = recvmsg(fd, header, flags);
    return got;
}

bool
daemon_receive(int fd, const pam_handle_t *pamh, struct message *message)
{
    char bytes[PROTOCOL_REPLY_MAX];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = receive(fd, &header);

    if (got < 0) {
        pam_syslog(pamh, LOG_ERR, "cannot hear the daemon: %s",
                   strerror(errno));
        return false;
    }
    if (got == 0) { /* an empty datagram looks the same */
        pam_syslog(pamh, LOG_ERR, "daemon ended the attempt without a verdict");
        return false;
    }
    /* MSG_CTRUNC: it tried to pass descriptors; the kernel has closed them. */
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        !protocol_decode(message, bytes, (size_t)got)) {
        pam_syslog(pamh, LOG_ERR,
                   "unexpected datagram of the daemon, at least %zd bytes: "
                   "refused; are module and daemon of the same version?",
                   got);
        return false;
    }
    return true;
}
