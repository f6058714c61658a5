/* What a PAM handle remembers between two calls of the module. */

#ifndef PUSHMFA_MARKS_H
#define PUSHMFA_MARKS_H

#include <security/_pam_types.h>
#include <stdbool.h>

/* Remember that the user who is now in PAM_USER was approved in the auth phase.
   If there is no memory nothing is remembered, and the account phase asks the
   daemon. */
void marks_approve(pam_handle_t *pamh);

/* Forget it.  Return false, after a log line, if that failed. */
bool marks_forget_approval(pam_handle_t *pamh);

/* Return whether the user who is now in PAM_USER was approved. */
bool marks_is_approved(const pam_handle_t *pamh);

/* Remember for good that an attempt on this handle was refused. */
void marks_refuse(pam_handle_t *pamh);

/* Return whether one was. */
bool marks_is_refused(const pam_handle_t *pamh);

#endif
