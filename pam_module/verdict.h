/* The nine verdicts on a login attempt, and what PAM is told for each. */

#ifndef PUSHMFA_VERDICT_H
#define PUSHMFA_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

enum verdict {
    VERDICT_APPROVED,
    VERDICT_DENIED,
    VERDICT_WRONG_NUMBER,
    VERDICT_EXPIRED,
    VERDICT_CANCELED,
    VERDICT_THROTTLED,
    VERDICT_LOCKED,
    VERDICT_NOT_ENROLLED,
    VERDICT_UNAVAILABLE
};

/* The column of the table: sudo repeats the whole stack, so it has its own. */
enum column { COLUMN_OTHERS, COLUMN_SUDO };

/* Return the PAM code for a verdict: PAM_SUCCESS for VERDICT_APPROVED and for
   nothing else; never PAM_IGNORE, never PAM_MAXTRIES. */
int verdict_code(enum verdict verdict, enum column column);

/* Return the verdict's name on the wire and in the log, a constant. */
const char *verdict_name(enum verdict verdict);

/* Store in *verdict the verdict whose name is exactly the length bytes at name
   (no NUL needed).  Return whether there is one. */
bool verdict_from_name(enum verdict *verdict, const char *name, size_t length);

#endif
