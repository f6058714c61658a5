/* One fault in one run: the call that must fail, and what was called. */

#ifndef PUSHMFA_TESTS_FAULTS_H
#define PUSHMFA_TESTS_FAULTS_H

#include <stdbool.h>

enum { FAULTS_NAME = 48, FAULTS_POINTS = 512, FAULTS_CODES = 8 };

/* A fault that is no errno: read() and recvmsg() return 0, the end. */
enum { FAULT_END = -1 };

/* A call that the module has made: which, on what, how many of them before. */
struct point {
    char call[FAULTS_NAME];
    char detail[FAULTS_NAME];
    int before;
};

/* Of one run, in memory that is shared with the process that plays it. */
struct run {
    struct point planned; /* call is empty: no fault, only take notes */
    int error;            /* errno, PAM code or FAULT_END */
    bool reached;         /* the planned call was made, and failed */
    int count;            /* notes in points */
    struct point points[FAULTS_POINTS];
    int calls; /* of PAM, that [run] wants */
    int codes[FAULTS_CODES];
    bool changed; /* a code was not the one that [run] wants */
};

/* Start: everything from here on is noted in *run. */
void faults_begin(struct run *run);

/* Note a call.  Return 0, or the error it must fail with; errno is set. */
int faults_due(const char *call, const char *detail);

/* What the module is doing inside of libpam, for allocations there; NULL is
   nothing.  Return what it was before. */
const char *faults_inside(const char *what);

#endif
