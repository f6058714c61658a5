/* pam_pushmfa: what PAM calls.  Read this first; see pam_pushmfa(8). */

#include "conversation.h"
#include "exchange.h"
#include "marks.h"
#include "options.h"
#include "service.h"
#include "verdict.h"

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <syslog.h>

#define EXPORT __attribute__((visibility("default")))

/* The person must not be left with the application's "error in service module";
   what is wrong with the line is in the log. */
static int
refuse_line(const pam_handle_t *pamh, int code)
{
    (void)conversation_error(pamh, CONVERSATION_UNAVAILABLE);
    return code;
}

/* role=first_factor selects a path through the stack; it cannot open it. */
static int
select_first_factor(const struct service *service)
{
    return service_has_public_key(service) ? PAM_CRED_INSUFFICIENT
                                           : PAM_AUTH_ERR;
}

/* Ask for an approval.  sudo calls the whole stack again after a failure, on
   the same handle; once it was refused that must not become a second push. */
EXPORT int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct options options;
    struct service service;
    enum verdict verdict;

    if (!options_parse(&options, pamh, argc, argv))
        return refuse_line(pamh, PAM_SERVICE_ERR);
    if (!service_identify(&service, pamh))
        return refuse_line(pamh, PAM_ABORT); /* right in both columns */
    if (options.role == ROLE_FIRST_FACTOR)
        return select_first_factor(&service);
    if (!marks_forget_approval(pamh))
        return refuse_line(pamh,
                           verdict_code(VERDICT_UNAVAILABLE, service.column));
    if (service.column == COLUMN_SUDO && marks_is_refused(pamh))
        return verdict_code(VERDICT_CANCELED, service.column);
    verdict = exchange_run(pamh, &options, &service, "auth", flags);
    if (verdict == VERDICT_APPROVED)
        marks_approve(pamh);
    else
        marks_refuse(pamh);
    return verdict_code(verdict, service.column);
}

/* We set no credentials.  sshd calls this in another process, which knows no
   attempt; a failure there would kill a login that was approved. */
EXPORT int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}

/* Admit logins that never entered the auth phase: public keys alone, in sshd.
   Elsewhere the account phase proves nothing, sudo runs it on every call. */
EXPORT int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct options options;
    struct service service;
    enum verdict verdict;

    if (!options_parse(&options, pamh, argc, argv))
        return refuse_line(pamh, PAM_SERVICE_ERR);
    if (!options.role_given || options.role != ROLE_ATTEMPT) {
        pam_syslog(pamh, LOG_ERR,
                   "an account line needs role=attempt: refused");
        return refuse_line(pamh, PAM_SERVICE_ERR);
    }
    if (!service_identify(&service, pamh))
        return refuse_line(pamh, PAM_ABORT); /* right in both columns */
    if (service.conn == NULL) {
        pam_syslog(pamh, LOG_ERR,
                   "an account line works in sshd only: refused");
        return refuse_line(pamh, verdict_code(VERDICT_DENIED, service.column));
    }
    if (marks_is_approved(pamh))
        return PAM_SUCCESS;
    verdict = exchange_run(pamh, &options, &service, "account", flags);
    return verdict_code(verdict, service.column);
}
