/* One fault in one run. */

#include "faults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct run *now;
static const char *inside;

void
faults_begin(struct run *run)
{
    now = run;
}

const char *
faults_inside(const char *what)
{
    const char *before = inside;

    inside = what;
    return before;
}

static int
count_before(const char *call, const char *detail)
{
    int i, count = 0;

    for (i = 0; i < now->count; i++)
        if (strcmp(now->points[i].call, call) == 0 &&
            strcmp(now->points[i].detail, detail) == 0)
            count++;
    return count;
}

static int
note(const char *call, const char *detail)
{
    struct point *point;
    int saved = errno;

    if (detail == NULL)
        detail = inside;
    point = &now->points[now->count];
    point->before = count_before(call, detail);
    (void)snprintf(point->call, sizeof(point->call), "%s", call);
    (void)snprintf(point->detail, sizeof(point->detail), "%s", detail);
    now->count++;
    errno = saved;
    if (now->reached || point->before != now->planned.before ||
        strcmp(call, now->planned.call) != 0 ||
        strcmp(detail, now->planned.detail) != 0)
        return 0;
    now->reached = true;
    errno = now->error;
    return now->error;
}

/* Called by the loader's malloc() before ASan has its shadow. */
__attribute__((no_sanitize("address", "undefined"))) int
faults_due(const char *call, const char *detail)
{
    if (now == NULL || inside == NULL || now->count == FAULTS_POINTS)
        return 0;
    return note(call, detail);
}
