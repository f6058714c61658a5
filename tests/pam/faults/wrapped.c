/* Linked into the module: every call that can fail, with --wrap of the linker,
   asks the runner whether it must fail now.  The entry points are wrapped by
   name, so that only what the module does counts. */

#include "faults.h"

#include <errno.h>
#include <poll.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*,misc-use-internal-linkage):
   the linker chooses these names, and looks for them */
int pushmfa_authenticate(pam_handle_t *pamh, int flags, int argc,
                         const char **argv);
int pushmfa_acct_mgmt(pam_handle_t *pamh, int flags, int argc,
                      const char **argv);
int pushmfa_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv);

#define EXPORT __attribute__((visibility("default")))

typedef int entry_point(pam_handle_t *pamh, int flags, int argc,
                        const char **argv);

static int
enter(entry_point *entry, pam_handle_t *pamh, int flags, int argc,
      const char **argv)
{
    const char *before = faults_inside("module");
    int code = entry(pamh, flags, argc, argv);

    (void)faults_inside(before);
    return code;
}

EXPORT int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pushmfa_authenticate, pamh, flags, argc, argv);
}

EXPORT int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pushmfa_acct_mgmt, pamh, flags, argc, argv);
}

EXPORT int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pushmfa_setcred, pamh, flags, argc, argv);
}

/* The path that the module has opened as fd, so that a fault has a name. */
enum { NAMES = 64 };

static char names[NAMES][FAULTS_NAME];

static const char *
name_of(int fd)
{
    return fd >= 0 && fd < NAMES && names[fd][0] != '\0' ? names[fd] : "socket";
}

static void
name_as(int fd, const char *name)
{
    if (fd >= 0 && fd < NAMES)
        (void)stpncpy(names[fd], name, FAULTS_NAME - 1);
}

/* RESULT __wrap_NAME(PARAMETERS) { fail, or __real_NAME(ARGUMENTS) } */
#define WRAP(name, detail, parameters, arguments)                              \
    int __real_##name parameters;                                              \
    int __wrap_##name parameters;                                              \
    int __wrap_##name parameters                                               \
    {                                                                          \
        return faults_due(#name, detail) ? -1 : __real_##name arguments;       \
    }

WRAP(lstat, "", (const char *path, struct stat *status), (path, status))
WRAP(setsockopt, "",
     (int fd, int level, int name, const void *value, socklen_t length),
     (fd, level, name, value, length))
WRAP(getsockopt, "",
     (int fd, int level, int name, void *value, socklen_t *length),
     (fd, level, name, value, length))
WRAP(connect, "", (int fd, const struct sockaddr *address, socklen_t length),
     (fd, address, length))
WRAP(poll, "", (struct pollfd * polled, nfds_t count, int timeout),
     (polled, count, timeout))
WRAP(sigprocmask, "", (int how, const sigset_t *set, sigset_t *old),
     (how, set, old))
WRAP(signalfd, "", (int fd, const sigset_t *set, int flags), (fd, set, flags))
WRAP(clock_gettime, "", (clockid_t clock, struct timespec *time), (clock, time))
WRAP(tcflush, "", (int fd, int queue), (fd, queue))
WRAP(tcgetpgrp, "", (int fd), (fd))

struct termios;
WRAP(tcgetattr, "", (int fd, struct termios *settings), (fd, settings))

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int
__wrap_socket(int domain, int type, int protocol)
{
    int fd =
        faults_due("socket", "") ? -1 : __real_socket(domain, type, protocol);

    name_as(fd, "");
    return fd;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;
    int fd;

    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t); /* what counts coverage creates files */
    va_end(arguments);
    fd = faults_due("open", path) ? -1 : __real_open(path, flags, mode);
    name_as(fd, path);
    return fd;
}

/* Closed all the same, as Linux does. */
int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    int due = faults_due("close", name_of(fd));
    int code = __real_close(fd);

    if (due == 0)
        return code;
    errno = due;
    return -1;
}

ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t
__wrap_read(int fd, void *bytes, size_t size)
{
    int due = faults_due("read", name_of(fd));

    if (due == FAULT_END)
        return 0;
    return due != 0 ? -1 : __real_read(fd, bytes, size);
}

ssize_t __real_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *header, int flags)
{
    int due = faults_due("recvmsg", "");

    if (due == FAULT_END)
        return 0;
    return due != 0 ? -1 : __real_recvmsg(fd, header, flags);
}

ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t
__wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    bool first = *(const char *)bytes == 'p';

    if (faults_due("send", first ? "first datagram" : "typed"))
        return -1;
    return __real_send(fd, bytes, length, flags);
}

/* Most of its calls fail by nature, the descriptor is no socket: no points. */
int __real_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int
__wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    int code = __real_getpeername(fd, address, length);

    return code == 0 && faults_due("getpeername", "") ? -1 : code;
}

static const char *
item_name(int item)
{
    static const char *const items[] = {
        [PAM_SERVICE] = "PAM_SERVICE", [PAM_USER] = "PAM_USER",
        [PAM_TTY] = "PAM_TTY",         [PAM_RHOST] = "PAM_RHOST",
        [PAM_CONV] = "PAM_CONV",       [PAM_RUSER] = "PAM_RUSER",
    };

    return items[item];
}

int __real_pam_get_item(const pam_handle_t *pamh, int item, const void **value);
int __wrap_pam_get_item(const pam_handle_t *pamh, int item, const void **value);
int
__wrap_pam_get_item(const pam_handle_t *pamh, int item, const void **value)
{
    int due = faults_due("pam_get_item", item_name(item));

    return due != 0 ? due : __real_pam_get_item(pamh, item, value);
}

/* What follows allocates, or talks to the person, inside of libpam. */
int __real_pam_get_user(pam_handle_t *pamh, const char **user, const char *ask);
int __wrap_pam_get_user(pam_handle_t *pamh, const char **user, const char *ask);
int
__wrap_pam_get_user(pam_handle_t *pamh, const char **user, const char *ask)
{
    int code = faults_due("pam_get_user", "");
    const char *before = faults_inside("pam_get_user");

    if (code == 0)
        code = __real_pam_get_user(pamh, user, ask);
    (void)faults_inside(before);
    return code;
}

typedef void cleanup(pam_handle_t *pamh, void *data, int status);

int __real_pam_set_data(pam_handle_t *pamh, const char *key, void *data,
                        cleanup *clean);
int __wrap_pam_set_data(pam_handle_t *pamh, const char *key, void *data,
                        cleanup *clean);
int
__wrap_pam_set_data(pam_handle_t *pamh, const char *key, void *data,
                    cleanup *clean)
{
    int code = faults_due("pam_set_data", key);
    const char *before = faults_inside("pam_set_data");

    if (code == 0)
        code = __real_pam_set_data(pamh, key, data, clean);
    (void)faults_inside(before);
    return code;
}

int __real_pam_get_data(const pam_handle_t *pamh, const char *key,
                        const void **data);
int __wrap_pam_get_data(const pam_handle_t *pamh, const char *key,
                        const void **data);
int
__wrap_pam_get_data(const pam_handle_t *pamh, const char *key,
                    const void **data)
{
    int due = faults_due("pam_get_data", key);

    return due != 0 ? due : __real_pam_get_data(pamh, key, data);
}

void __wrap_pam_syslog(const pam_handle_t *pamh, int priority,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void
__wrap_pam_syslog(const pam_handle_t *pamh, int priority, const char *format,
                  ...)
{
    const char *before = faults_inside("pam_syslog");
    va_list arguments;

    va_start(arguments, format);
    pam_vsyslog(pamh, priority, format, arguments);
    va_end(arguments);
    (void)faults_inside(before);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*,misc-use-internal-linkage)
 */
