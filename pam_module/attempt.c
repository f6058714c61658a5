/* What PAM and the kernel know of a login attempt, as the first datagram. */

#include "attempt.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <string.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>

/* Read the file to its end or to size bytes.  Return how many, or -1 with
 *error set to the errno of the failure. */
static ssize_t
read_file(const char *path, char *bytes, size_t size, int *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t length = 0;
    ssize_t got;

    *error = errno;
    if (fd < 0)
        return -1;
    do {
        got = read(fd, bytes + length, size - length);
        *error = errno;
        if (got > 0)
            length += (size_t)got;
    } while ((got > 0 && length < size) || (got < 0 && *error == EINTR));
    (void)close(fd);
    return got < 0 ? -1 : (ssize_t)length;
}

static bool
is_read(const pam_handle_t *pamh, const char *path, ssize_t length, int error)
{
    if (length > 0)
        return true;
    pam_syslog(pamh, LOG_ERR, "cannot read %s: %s", path,
               length < 0 ? strerror(error) : "empty");
    return false;
}

/* Append a number that the kernel keeps for our own process.  A kernel without
   audit has no such file, and the item is left out; any other failure may be
   the doing of whoever runs sudo with few descriptors, and refuses. */
static bool
add_kernel_number(struct first_datagram *first, const pam_handle_t *pamh,
                  const char *key, const char *path)
{
    char digits[24];
    int error;
    ssize_t length = read_file(path, digits, sizeof(digits) - 1, &error);

    if (length < 0 && error == ENOENT)
        return true;
    if (!is_read(pamh, path, length, error))
        return false;
    digits[length] = '\0';
    protocol_add(first, key, digits);
    return true;
}

/* An item that PAM does not have is NULL, and left out. */
static bool
add_item(struct first_datagram *first, const pam_handle_t *pamh,
         const char *key, int item)
{
    const void *value = NULL;
    int code = pam_get_item(pamh, item, &value);

    if (code != PAM_SUCCESS) {
        pam_syslog(pamh, LOG_ERR, "no %s: code %d", key, code);
        return false;
    }
    protocol_add(first, key, value);
    return true;
}

bool
attempt_name_user(struct attempt *attempt, pam_handle_t *pamh)
{
    const char *user = NULL;
    int code = pam_get_user(pamh, &user, NULL);

    if (code != PAM_SUCCESS || user == NULL) {
        pam_syslog(pamh, LOG_NOTICE, "no user name: %s",
                   pam_strerror(pamh, code));
        return false;
    }
    if (strlen(user) >= sizeof(attempt->user)) {
        pam_syslog(pamh, LOG_NOTICE, "user name of %zu bytes refused",
                   strlen(user));
        return false;
    }
    memcpy(attempt->user, user, strlen(user) + 1);
    return true;
}

static const char *
display_word(enum display display)
{
    switch (display) {
    case DISPLAY_PROMPT:
        return "prompt";
    case DISPLAY_INFO:
        return "info";
    case DISPLAY_SERVICE:
        break;
    }
    return NULL;
}

/* argv as the kernel gives it, so that the phone shows what sudo will run and
   not what somebody says about it.  No process that calls PAM has none. */
static bool
add_command(struct first_datagram *first, const pam_handle_t *pamh,
            const struct options *options)
{
    static const char path[] = "/proc/self/cmdline";
    char command[PROTOCOL_COMMAND_MAX + 1]; /* 1 more, to see a longer one */
    int error;
    ssize_t length = read_file(path, command, sizeof(command), &error);
    bool cut = length > PROTOCOL_COMMAND_MAX;

    if (!is_read(pamh, path, length, error))
        return false;
    protocol_add_number(first, "cut", cut ? 1 : 0);
    protocol_add(first, "display", display_word(options->display));
    if (protocol_end(first, command,
                     cut ? PROTOCOL_COMMAND_MAX : (size_t)length))
        return true;
    pam_syslog(pamh, LOG_ERR,
               "cannot describe the attempt in %d bytes: refused",
               PROTOCOL_FIRST_MAX);
    return false;
}

bool
attempt_describe(struct attempt *attempt, const pam_handle_t *pamh,
                 const struct options *options, const struct service *service,
                 const char *phase, int flags, unsigned wait)
{
    struct first_datagram *first = &attempt->first;

    protocol_begin(first);
    protocol_add(first, "phase", phase);
    protocol_add(first, "service", service->name);
    protocol_add(first, "user", attempt->user);
    if (!add_item(first, pamh, "ruser", PAM_RUSER) ||
        !add_item(first, pamh, "rhost", PAM_RHOST) ||
        !add_item(first, pamh, "tty", PAM_TTY))
        return false;
    protocol_add_number(first, "uid", getuid());
    if (!add_kernel_number(first, pamh, "loginuid", "/proc/self/loginuid") ||
        !add_kernel_number(first, pamh, "sessionid", "/proc/self/sessionid"))
        return false;
    protocol_add_number(first, "pid", (unsigned long)getpid());
    protocol_add_number(first, "ppid", (unsigned long)getppid());
    protocol_add(first, "conn", service->conn);
    protocol_add(first, "methods", service->methods);
    protocol_add(first, "role",
                 options->role == ROLE_DECOY ? "decoy" : "attempt");
    protocol_add_number(first, "flags", (unsigned)flags);
    protocol_add_number(first, "wait", wait);
    return add_command(first, pamh, options);
}

bool
attempt_is_same_user(const struct attempt *attempt, const pam_handle_t *pamh)
{
    const void *user = NULL;

    if (pam_get_item(pamh, PAM_USER, &user) == PAM_SUCCESS && user != NULL &&
        strcmp(user, attempt->user) == 0)
        return true;
    pam_syslog(pamh, LOG_ALERT, "user changed from %s to %s: refused",
               text_word(attempt->user).text, text_word(user).text);
    return false;
}
