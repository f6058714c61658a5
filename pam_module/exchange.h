/* One login attempt from the first datagram to the verdict. */

#ifndef PUSHMFA_EXCHANGE_H
#define PUSHMFA_EXCHANGE_H

#include "options.h"
#include "service.h"
#include "verdict.h"

#include <security/_pam_types.h>

/* Ask the daemon about the user of this PAM handle, hold the conversation that
   the daemon wants, and tell the person why if it is a refusal.  phase is
   "auth" or "account", flags are PAM's.  Return the verdict, which is
   VERDICT_APPROVED only if the daemon said so in time, for an attempt that is
   no decoy, and PAM_USER is still the same. */
enum verdict exchange_run(pam_handle_t *pamh, const struct options *options,
                          const struct service *service, const char *phase,
                          int flags);

#endif
