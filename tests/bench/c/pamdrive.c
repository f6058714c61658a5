/* Runs whole PAM transactions, pam_start to pam_end, and writes one line for
   each: start, return of pam_authenticate, end (CLOCK_MONOTONIC, ns), CPU of
   this process (ns), PAM's code.

     pamdrive -s SERVICE -c CONFDIR [-u USER] [-m USERS] [-n N] [-w WARMUP]
              [-p PROCESSES] [-a SOCKET]

   -u  a %d in it becomes a number below USERS, another in every process
   -p  so many at once, each N transactions; all begin together
   -a  a datagram socket that hears "USER NUMBER" of every number shown: the
       person who looks from the terminal to the phone

   Like sshd's process it holds the connection of a client, and says so in
   SSH_CONNECTION. */

#include <arpa/inet.h>
#include <ctype.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct sample {
    long long start, decided, end, cpu;
    int code;
};

struct work {
    const char *service, *folder, *user;
    int users, count, warmup, processes;
    struct sockaddr_un phone; /* sun_path is empty if nobody wants numbers */
    char connection[128];
    int socket;
};

struct person {
    const struct work *work;
    const char *name;
};

static void
fail(const char *what)
{
    perror(what);
    exit(2);
}

static long long
now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long
cpu_time(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* "pushmfa: enter 42 on your phone": the first word of digits. */
static void
tell_number(const struct person *person, const char *text)
{
    const struct work *work = person->work;
    size_t digits = 0;
    char line[256];
    int length;

    if (work->phone.sun_path[0] == '\0')
        return;
    text += strcspn(text, "0123456789");
    while (isdigit((unsigned char)text[digits]))
        digits++;
    if (digits == 0)
        return;
    length = snprintf(line, sizeof(line), "%s %.*s", person->name, (int)digits,
                      text);
    if (sendto(work->socket, line, (size_t)length, 0,
               (const struct sockaddr *)&work->phone,
               sizeof(work->phone)) != length)
        fail("the phone");
}

static int
converse(int count, const struct pam_message **messages,
         struct pam_response **responses, void *data)
{
    struct pam_response *answers =
        calloc((size_t)count, sizeof(struct pam_response));

    if (answers == NULL)
        return PAM_CONV_ERR;
    for (int i = 0; i < count; i++) {
        int style = messages[i]->msg_style;

        tell_number(data, messages[i]->msg);
        if (style == PAM_PROMPT_ECHO_OFF || style == PAM_PROMPT_ECHO_ON)
            answers[i].resp = strdup("");
    }
    *responses = answers;
    return PAM_SUCCESS;
}

static void
run_one(struct sample *sample, const struct work *work, const char *user)
{
    struct person person = {work, user};
    struct pam_conv conversation = {converse, &person};
    pam_handle_t *pamh = NULL;
    long long cpu = cpu_time();
    int code;

    sample->start = now();
    code = pam_start_confdir(work->service, user, &conversation, work->folder,
                             &pamh);
    if (code == PAM_SUCCESS)
        code = pam_putenv(pamh, work->connection);
    if (code == PAM_SUCCESS)
        code = pam_authenticate(pamh, 0);
    sample->decided = now();
    if (pamh != NULL)
        (void)pam_end(pamh, code);
    sample->end = now();
    sample->cpu = cpu_time() - cpu;
    sample->code = code;
}

static void
name_user(char *name, size_t size, const struct work *work, int number)
{
    const char *mark = strstr(work->user, "%d");

    if (mark == NULL)
        (void)snprintf(name, size, "%s", work->user);
    else
        (void)snprintf(name, size, "%.*s%03d%s", (int)(mark - work->user),
                       work->user, number % work->users, mark + 2);
}

/* Process number p has users p, p + processes, ... : nobody logs in twice at
   the same time while there are as many users as processes. */
static void
run_many(struct sample *samples, const struct work *work, int process,
         int first, int last)
{
    for (int i = first; i < last; i++) {
        char name[64];

        name_user(name, sizeof(name), work, process + i * work->processes);
        run_one(&samples[i], work, name);
    }
}

/* Returns once every process is ready, and gives the writing end of the gate.
 */
static void
start_process(struct sample *samples, const struct work *work, int process,
              const int ready[2], const int gate[2])
{
    char byte;
    int last = work->warmup + work->count;

    if (fork() != 0)
        return;
    (void)close(gate[1]);
    run_many(samples, work, process, 0, work->warmup);
    if (write(ready[1], "", 1) != 1 || read(gate[0], &byte, 1) != 0)
        _exit(1);
    run_many(samples, work, process, work->warmup, last);
    _exit(0);
}

static void
run_all(struct sample *samples, const struct work *work)
{
    int each = work->warmup + work->count;
    int ready[2];
    int gate[2];
    char byte;

    if (pipe(ready) != 0 || pipe(gate) != 0)
        fail("pipe");
    for (int p = 0; p < work->processes; p++)
        start_process(samples + p * each, work, p, ready, gate);
    for (int p = 0; p < work->processes; p++)
        if (read(ready[0], &byte, 1) != 1)
            fail("a process ended early");
    (void)close(gate[1]);
    while (wait(NULL) > 0) {
    }
}

/* The socket of a client, as sshd has one: the module watches it. */
static void
be_connected(struct work *work)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct sockaddr_in there = {.sin_family = AF_INET};
    socklen_t size = sizeof(here);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&here, size) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&here, &size) != 0 ||
        connect(client, (struct sockaddr *)&here, size) != 0 ||
        accept(listener, (struct sockaddr *)&there, &size) < 0)
        fail("the client's connection");
    (void)snprintf(work->connection, sizeof(work->connection),
                   "SSH_CONNECTION=127.0.0.1 %d 127.0.0.1 %d",
                   ntohs(there.sin_port), ntohs(here.sin_port));
}

static bool
read_options(struct work *work, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "s:c:u:m:n:w:p:a:")) != -1)
        switch (option) {
        case 's':
            work->service = optarg;
            break;
        case 'c':
            work->folder = optarg;
            break;
        case 'u':
            work->user = optarg;
            break;
        case 'm':
            work->users = atoi(optarg);
            break;
        case 'n':
            work->count = atoi(optarg);
            break;
        case 'w':
            work->warmup = atoi(optarg);
            break;
        case 'p':
            work->processes = atoi(optarg);
            break;
        case 'a':
            (void)snprintf(work->phone.sun_path, sizeof(work->phone.sun_path),
                           "%s", optarg);
            break;
        default:
            return false;
        }
    return work->service != NULL && work->folder != NULL && work->users > 0 &&
           work->count > 0 && work->warmup >= 0 && work->processes > 0;
}

int
main(int argc, char **argv)
{
    struct work work = {.user = "root",
                        .users = 1,
                        .count = 1,
                        .processes = 1,
                        .phone = {.sun_family = AF_UNIX}};
    struct sample *samples;
    size_t total;

    if (!read_options(&work, argc, argv)) {
        (void)fputs("usage: see the head of pamdrive.c\n", stderr);
        return 2;
    }
    be_connected(&work);
    work.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    total = (size_t)(work.warmup + work.count) * (size_t)work.processes;
    samples = mmap(NULL, total * sizeof(struct sample), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (samples == MAP_FAILED)
        fail("mmap");
    run_all(samples, &work);
    for (size_t i = 0; i < total; i++)
        if ((int)(i % (size_t)(work.warmup + work.count)) >= work.warmup)
            (void)printf("%lld %lld %lld %lld %d\n", samples[i].start,
                         samples[i].decided, samples[i].end, samples[i].cpu,
                         samples[i].code);
    return 0;
}
