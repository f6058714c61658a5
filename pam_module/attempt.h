/* What PAM and the kernel know of a login attempt, as the first datagram. */

#ifndef PUSHMFA_ATTEMPT_H
#define PUSHMFA_ATTEMPT_H

#include "options.h"
#include "protocol.h"
#include "service.h"

#include <security/_pam_types.h>
#include <stdbool.h>

enum { ATTEMPT_USER_SIZE = 1024 };

struct attempt {
    char user[ATTEMPT_USER_SIZE]; /* PAM_USER when the attempt began */
    struct first_datagram first;
};

/* Learn who logs in; PAM may ask the person for it.  Return false, after a log
   line, if there is no name, or one that no account can have. */
bool attempt_name_user(struct attempt *attempt, pam_handle_t *pamh);

/* Compose the first datagram.  phase is "auth" or "account", flags are PAM's,
   wait is the seconds until we give up.  Return false, after a log line, if
   something cannot be told in full: daemon and phone must never judge a part
   of the truth. */
bool attempt_describe(struct attempt *attempt, const pam_handle_t *pamh,
                      const struct options *options,
                      const struct service *service, const char *phase,
                      int flags, unsigned wait);

/* Return whether PAM_USER is still the user the attempt began with; log a
   change.  An approval for one user must not log in another (CVE-2024-9313). */
bool attempt_is_same_user(const struct attempt *attempt,
                          const pam_handle_t *pamh);

#endif
