/* The terminal of sudo, su and login: does it exist, is it still there, and
   what line is typed on it while we wait.

   The conversation cannot be used for that: the one of su and login throws
   pending input away, and sudo -A would ask a graphical program. */

#ifndef PUSHMFA_TYPED_H
#define PUSHMFA_TYPED_H

#include "protocol.h"

#include <stdbool.h>

/* Open /dev/tty, non-blocking.  Return a descriptor, or -1 if this process
   has no terminal. */
int typed_open(void);

/* Throw away what was typed before the number was on the screen: it was meant
   for something else.  Does nothing while in the background. */
void typed_flush(int terminal);

/* Return whether a line may be read now: we are in the foreground (otherwise
   the kernel would stop us) and the terminal hands out whole lines. */
bool typed_may_read(int terminal);

/* Read the line that is pending into *typed, without its newline, at most 64
   bytes; drop the rest of it.  Return whether there was anything but Enter.
   Wipe *typed after use. */
bool typed_read(int terminal, struct typed *typed);

#endif
