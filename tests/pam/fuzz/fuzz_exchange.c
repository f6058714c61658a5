/* libFuzzer plays the daemon: the first byte chooses the attempt, the rest is
   datagrams, split at 0xff.  After the last the daemon is gone. */

#include "daemon.h"
#include "exchange.h"
#include "typed.h"

#include <fcntl.h>
#include <security/pam_appl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPLIT = 0xff };

/* Bits of the first byte. */
enum { SUDO = 1, ACCOUNT = 2, DECOY = 4, INFO = 8, NO_ANSWER = 16, DEBUG = 32 };

static int module_end;
static unsigned chosen;

/* NOLINTBEGIN(bugprone-*,cert-*,misc-*): names of others, for them to find */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_daemon_connect(const pam_handle_t *pamh, const char *path);
int __wrap_typed_open(void);
void syslog(int priority, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);

int
__wrap_daemon_connect(const pam_handle_t *pamh, const char *path)
{
    (void)pamh;
    (void)path;
    return module_end;
}

int
__wrap_typed_open(void)
{
    return -1; /* not the terminal of whoever runs this */
}

void
syslog(int priority, const char *format, ...)
{
    (void)priority;
    (void)format;
}

void
__syslog_chk(int priority, int flag, const char *format, ...)
{
    (void)priority;
    (void)flag;
    (void)format;
}
/* NOLINTEND(bugprone-*,cert-*,misc-*) */

/* Whatever the daemon says, this is what a person may be shown. */
static void
check_shown(const struct pam_message *message)
{
    bool prompt = message->msg_style == PAM_PROMPT_ECHO_ON;
    const char *text = message->msg;
    size_t i;

    if (message->msg_style == PAM_PROMPT_ECHO_OFF ||
        strlen(text) > PROTOCOL_TEXT_MAX)
        abort();
    for (i = 0; text[i] != '\0'; i++)
        if ((text[i] < ' ' || text[i] > '~') && (text[i] != '\n' || prompt))
            abort();
}

static int
converse(int count, const struct pam_message **messages,
         struct pam_response **responses, void *appdata)
{
    (void)appdata;
    if (count != 1)
        abort();
    check_shown(messages[0]);
    *responses = calloc(1, sizeof(**responses));
    if (*responses != NULL && messages[0]->msg_style == PAM_PROMPT_ECHO_ON &&
        (chosen & NO_ANSWER) == 0)
        (*responses)->resp = strdup("123456");
    return *responses == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

/* libpam insists on a configuration; an empty one will do. */
static pam_handle_t *
start_pam(void)
{
    static const struct pam_conv conv = {.conv = converse};
    char folder[] = "/tmp/pushmfa.XXXXXX";
    char path[sizeof(folder) + sizeof("/other")];
    pam_handle_t *pamh = NULL;
    int fd, code;

    if (mkdtemp(folder) == NULL)
        abort();
    (void)snprintf(path, sizeof(path), "%s/other", folder);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    code = pam_start_confdir("sshd", "alice", &conv, folder, &pamh);
    (void)close(fd);
    (void)unlink(path);
    (void)rmdir(folder);
    if (code != PAM_SUCCESS)
        abort();
    return pamh;
}

/* Queue the datagrams; return whether one of them is an approval. */
static bool
queue(int fd, const uint8_t *data, size_t size)
{
    static const char approval[] = "Vapproved"; /* with its NUL */
    const uint8_t *end = data + size;
    bool approves = false;

    while (data < end) {
        const uint8_t *split = memchr(data, SPLIT, (size_t)(end - data));
        size_t length = (size_t)((split == NULL ? end : split) - data);

        if (send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break; /* the kernel's queue is full */
        if (length >= sizeof(approval) &&
            memcmp(data, approval, sizeof(approval)) == 0)
            approves = true;
        data += length + 1;
        if (split == NULL)
            break;
    }
    return approves;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pam_handle_t *pamh;
    struct options options = {.socket = "/nonexistent"};
    struct service service = {.name = "sshd",
                              .conn = "203.0.113.5 50022 192.0.2.1 22",
                              .methods = "publickey"};
    enum verdict verdict;
    bool approves;
    int ends[2];

    if (size == 0)
        return 0;
    if (pamh == NULL)
        pamh = start_pam();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        abort();
    chosen = data[0];
    if ((chosen & SUDO) != 0)
        service = (struct service){
            .name = "sudo", .is_local = true, .column = COLUMN_SUDO};
    options.role = (chosen & DECOY) != 0 ? ROLE_DECOY : ROLE_ATTEMPT;
    options.display = (chosen & INFO) != 0 ? DISPLAY_INFO : DISPLAY_SERVICE;
    options.debug = (chosen & DEBUG) != 0;
    module_end = ends[0];
    approves = queue(ends[1], data + 1, size - 1);
    (void)shutdown(ends[1], SHUT_WR);
    verdict = exchange_run(pamh, &options, &service,
                           (chosen & ACCOUNT) != 0 ? "account" : "auth", 0);
    if (verdict == VERDICT_APPROVED &&
        (!approves || options.role == ROLE_DECOY))
        abort();
    (void)close(ends[1]);
    return 0;
}
