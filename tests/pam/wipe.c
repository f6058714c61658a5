/* Sees whether the module wipes what was typed before it frees it: the
   program's own explicit_bzero() comes before glibc's when the module looks.

   <string.h> is not included: with _FORTIFY_SOURCE it defines this itself. */

#include "wipe.h"

static const char *due;
static size_t due_length;

/* NOLINTNEXTLINE(misc-use-internal-linkage): the module is to find it */
void explicit_bzero(void *memory, size_t size);

void
explicit_bzero(void *memory, size_t size)
{
    volatile char *bytes = memory;
    size_t i;

    if (memory == due && size == due_length)
        due = NULL;
    for (i = 0; i < size; i++)
        bytes[i] = '\0';
}

void
wipe_expect(const char *answer, size_t length)
{
    due = answer;
    due_length = length;
}

bool
wipe_is_due(void)
{
    return due != NULL;
}
