/* Failures that may leave an approved login approved, each with the reason. */

#include "harmless.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct {
    const char *call;
    const char *detail;
    int error; /* 0 = any */
    int from;  /* not the first calls, if it is not 0 */
    const char *reason;
    bool newer; /* of the libpam of Debian 13 and later */
    bool seen;  /* an entry that nothing needs is an error, too */
} harmless[] = {
    {.call = "malloc",
     .detail = "pam_syslog",
     .reason = "a log line is lost, the verdict stands"},
    {.call = "close",
     .detail = "/proc/self/loginuid",
     .reason = "it was read, and Linux closes it all the same"},
    {.call = "close",
     .detail = "/proc/self/sessionid",
     .reason = "it was read, and Linux closes it all the same"},
    {.call = "close",
     .detail = "/proc/self/cmdline",
     .reason = "it was read, and Linux closes it all the same"},
    {.call = "close",
     .detail = "/dev/tty",
     .reason = "the verdict is there, and Linux closes it all the same"},
    {.call = "close",
     .detail = "socket",
     .reason = "the verdict is there, and Linux closes it all the same"},
    {.call = "open",
     .detail = "/proc/self/loginuid",
     .error = ENOENT,
     .reason = "a kernel without audit: the item is left out"},
    {.call = "open",
     .detail = "/proc/self/sessionid",
     .error = ENOENT,
     .reason = "a kernel without audit: the item is left out"},
    {.call = "open",
     .detail = "/dev/tty",
     .reason = "no terminal: shown as an error message, nothing is typed"},
    {.call = "read",
     .detail = "/dev/tty",
     .reason = "what was typed is read later, or not: no code was given"},
    {.call = "tcflush",
     .detail = "",
     .reason = "older input is taken as a code, and the daemon judges it"},
    {.call = "tcgetpgrp",
     .detail = "",
     .reason = "taken for the background: nothing is flushed or read now"},
    {.call = "tcgetattr",
     .detail = "",
     .reason = "taken for a raw terminal: nothing is read now"},
    {.call = "send",
     .detail = "typed",
     .reason = "the daemon waits for it in vain; see send_typed()"},
    {.call = "clock_gettime",
     .detail = "",
     .from = 4,
     .reason = "what was typed is not sent; see send_typed()"},
    {.call = "pam_get_data",
     .detail = "pushmfa_approved",
     .reason = "the account phase asks the daemon"},
    {.call = "getpeername",
     .detail = "",
     .reason = "the ssh client is not watched: LoginGraceTime ends it"},
    {.call = "sigprocmask",
     .detail = "",
     .reason = "Ctrl-C in sudo ends the attempt later, after the verdict"},
    {.call = "signalfd",
     .detail = "",
     .reason = "Ctrl-C in sudo ends the attempt later, after the verdict"},
    {.call = "pam_get_item",
     .detail = "PAM_USER",
     .from = 1,
     .reason = "approved, but not remembered: see marks_approve()"},
    {.call = "strdup",
     .detail = "module",
     .reason = "approved, but not remembered: see marks_approve()"},
    {.call = "pam_set_data",
     .detail = "pushmfa_approved",
     .reason = "approved, but not remembered: see marks_approve()"},
    {.call = "strdup",
     .detail = "pam_set_data",
     .newer = true,
     .reason = "approved, but not remembered: see marks_approve()"},
    {.call = "malloc",
     .detail = "pam_get_user",
     .newer = true,
     .reason = "dgettext() does without a translation of \"login: \""},
    {.call = "malloc",
     .detail = "pam_set_data",
     .reason = "approved, but not remembered: see marks_approve()"},
};

bool
harmless_has(const struct run *run)
{
    const struct point *point = &run->planned;
    size_t i;

    for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (strcmp(point->call, harmless[i].call) == 0 &&
            strcmp(point->detail, harmless[i].detail) == 0 &&
            point->before >= harmless[i].from &&
            (harmless[i].error == 0 || harmless[i].error == run->error)) {
            harmless[i].seen = true;
            return true;
        }
    return false;
}

int
harmless_unseen(void)
{
    int unseen = 0;
    size_t i;

    for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (!harmless[i].seen && !harmless[i].newer) {
            unseen++;
            printf("FAILED nothing needs the exception for %s (%s): %s\n",
                   harmless[i].call, harmless[i].detail, harmless[i].reason);
        }
    return unseen;
}
