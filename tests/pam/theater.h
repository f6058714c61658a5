/* What stands around the application of a case: folder, socket, terminal, ssh
   client, parent. */

#ifndef PUSHMFA_TESTS_THEATER_H
#define PUSHMFA_TESTS_THEATER_H

#include "fake_daemon.h"
#include "script.h"

#include <stdbool.h>

/* Make the folder of the case and everything in it, as [options] says; fill
 *stage with what the fake daemon may use. */
void theater_build(struct script *script, struct stage *stage);

/* Make the parent that ORPHAN ends.  Return in the application only; the
   process that called waits for it and exits as it did. */
void theater_adopt(const struct script *script, struct stage *stage);

/* Remove the folder. */
void theater_remove(const struct script *script);

/* Return whether the case needs root, which this process is not. */
bool theater_needs_root(const struct script *script);

#endif
