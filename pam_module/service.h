/* Which kind of program called PAM: they differ in what they show, when. */

#ifndef PUSHMFA_SERVICE_H
#define PUSHMFA_SERVICE_H

#include "verdict.h"

#include <security/_pam_types.h>
#include <stdbool.h>

struct service {
    const char *name;    /* PAM_SERVICE, owned by libpam; never NULL */
    bool is_local;       /* sudo, sudo-i, su, su-l, login: a terminal of ours */
    bool is_login;       /* killed by LOGIN_TIMEOUT after 60 s */
    const char *conn;    /* SSH_CONNECTION of the PAM environment, or NULL */
    const char *methods; /* SSH_AUTH_INFO_0 of the PAM environment, or NULL */
    enum column column;
};

/* Fill *service from PAM_SERVICE and the PAM environment.  conn and methods
   are always NULL in a local service: only sshd sets them for good, and the
   process environment, which sudo's caller chooses, is never read.  Return
   false, after a log line, if PAM does not say which service this is. */
bool service_identify(struct service *service, pam_handle_t *pamh);

/* Return whether sshd says that a public key was proved: a line of methods
   that starts with "publickey ". */
bool service_has_public_key(const struct service *service);

#endif
