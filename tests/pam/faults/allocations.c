/* Allocations, also those that libpam makes for the module: the program's own
   functions come before the ones of ASan, which do the work.

   <stdlib.h> is not included: it says more of these than a wrapper knows. */

#include "faults.h"

#include <stddef.h>

/* NOLINTBEGIN(bugprone-*,cert-*,misc-*): names of glibc and ASan */
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *memory, size_t size);
char *__interceptor_strdup(const char *text);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
char *strdup(const char *text);
/* NOLINTEND(bugprone-*,cert-*,misc-*) */

void *
malloc(size_t size)
{
    return faults_due("malloc", NULL) ? NULL : __interceptor_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return faults_due("calloc", NULL) ? NULL
                                      : __interceptor_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
    return faults_due("realloc", NULL) ? NULL
                                       : __interceptor_realloc(memory, size);
}

char *
strdup(const char *text)
{
    return faults_due("strdup", NULL) ? NULL : __interceptor_strdup(text);
}
