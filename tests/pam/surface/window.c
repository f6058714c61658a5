/* For strace: shows where the module's work begins and ends, in a runner that
   has nothing else to see.  The log goes where syslog(3) brings it, and nobody
   looks at what is wiped. */

#include "log_capture.h"
#include "prompts.h"
#include "wipe.h"

#include <security/pam_appl.h>
#include <unistd.h>

static void
mark(const char *name)
{
    (void)!access(name, F_OK);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*,misc-use-internal-linkage):
   the linker chooses these names, and looks for them */
int __real_pam_authenticate(pam_handle_t *pamh, int flags);
int __wrap_pam_authenticate(pam_handle_t *pamh, int flags);
int
__wrap_pam_authenticate(pam_handle_t *pamh, int flags)
{
    int code;

    mark("/module/begins");
    code = __real_pam_authenticate(pamh, flags);
    mark("/module/ends");
    return code;
}

int __real_pam_acct_mgmt(pam_handle_t *pamh, int flags);
int __wrap_pam_acct_mgmt(pam_handle_t *pamh, int flags);
int
__wrap_pam_acct_mgmt(pam_handle_t *pamh, int flags)
{
    int code;

    mark("/module/begins");
    code = __real_pam_acct_mgmt(pamh, flags);
    mark("/module/ends");
    return code;
}

int __real_prompts_converse(int count, const struct pam_message **messages,
                            struct pam_response **responses, void *appdata);
int __wrap_prompts_converse(int count, const struct pam_message **messages,
                            struct pam_response **responses, void *appdata);
int
__wrap_prompts_converse(int count, const struct pam_message **messages,
                        struct pam_response **responses, void *appdata)
{
    int code;

    mark("/module/ends");
    code = __real_prompts_converse(count, messages, responses, appdata);
    mark("/module/begins");
    return code;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*,misc-use-internal-linkage)
 */

void
log_capture_compare(const struct script *script)
{
    (void)script;
}

void
wipe_expect(const char *answer, size_t length)
{
    (void)answer;
    (void)length;
}

bool
wipe_is_due(void)
{
    return false;
}
