/* Sees whether the module wipes what was typed before it frees it. */

#ifndef PUSHMFA_TESTS_WIPE_H
#define PUSHMFA_TESTS_WIPE_H

#include <stdbool.h>
#include <stddef.h>

/* All length bytes at answer must be wiped; NULL: there is nothing to wipe. */
void wipe_expect(const char *answer, size_t length);

/* Return whether that has not happened yet. */
bool wipe_is_due(void);

#endif
