/* The one table from verdict to PAM code.  A PAM code is a security decision
   (CVE-2025-23013 was a PAM_IGNORE on an error path), so it is made here only,
   and -Wswitch-enum keeps the table complete. */

#include "verdict.h"

#include <security/_pam_types.h>
#include <string.h>

static int
code_for_others(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_APPROVED:
        return PAM_SUCCESS;
    case VERDICT_UNAVAILABLE:
        return PAM_AUTHINFO_UNAVAIL;
    case VERDICT_CANCELED:
        return PAM_ABORT;
    case VERDICT_DENIED:
    case VERDICT_WRONG_NUMBER:
    case VERDICT_EXPIRED:
    case VERDICT_LOCKED:
    case VERDICT_NOT_ENROLLED:
        return PAM_AUTH_ERR;
    case VERDICT_THROTTLED:
        /* PAM_MAXTRIES would be the natural name, but it makes the client of
           sshd ask for a password that can never be right. */
        return PAM_AUTH_ERR;
    }
    return PAM_AUTH_ERR;
}

/* Any code that lets sudo try again asks for the password again, three times,
   and each time would be a push: every refusal is PAM_ABORT. */
static int
code_for_sudo(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_APPROVED:
        return PAM_SUCCESS;
    case VERDICT_DENIED:
    case VERDICT_WRONG_NUMBER:
    case VERDICT_EXPIRED:
    case VERDICT_CANCELED:
    case VERDICT_THROTTLED:
    case VERDICT_LOCKED:
    case VERDICT_NOT_ENROLLED:
    case VERDICT_UNAVAILABLE:
        return PAM_ABORT;
    }
    return PAM_ABORT;
}

int
verdict_code(enum verdict verdict, enum column column)
{
    if (column == COLUMN_SUDO)
        return code_for_sudo(verdict);
    return code_for_others(verdict);
}

static const char *const names[] = {
    [VERDICT_APPROVED] = "approved",
    [VERDICT_DENIED] = "denied",
    [VERDICT_WRONG_NUMBER] = "wrong_number",
    [VERDICT_EXPIRED] = "expired",
    [VERDICT_CANCELED] = "canceled",
    [VERDICT_THROTTLED] = "throttled",
    [VERDICT_LOCKED] = "locked",
    [VERDICT_NOT_ENROLLED] = "not_enrolled",
    [VERDICT_UNAVAILABLE] = "unavailable",
};

const char *
verdict_name(enum verdict verdict)
{
    return names[verdict];
}

bool
verdict_from_name(enum verdict *verdict, const char *name, size_t length)
{
    size_t i;

    /* The whole name: a prefix would let "approved-but-not-really" pass. */
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *verdict = (enum verdict)i;
            return true;
        }
    return false;
}
