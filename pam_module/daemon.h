/* The connection to the daemon: is it the real one, and datagrams both ways. */

#ifndef PUSHMFA_DAEMON_H
#define PUSHMFA_DAEMON_H

#include "protocol.h"

#include <security/_pam_types.h>
#include <stdbool.h>
#include <stddef.h>

/* The daemon must take the connection and answer the first datagram within
   this many seconds. */
enum { DAEMON_PATIENCE = 5 };

/* Connect to the socket at path, after checking that nobody but root (or our
   own effective user) can have put it there or listens on it.  Return a
   descriptor, or -1 after a log line that says what is wrong. */
int daemon_connect(const pam_handle_t *pamh, const char *path);

/* Send one datagram.  Return false if that failed, errno says why. */
bool daemon_send(int fd, const char *bytes, size_t length);

/* Receive one datagram, which must be pending, into *message.  Return false,
   after a log line, for the end of the connection and for every datagram that
   is not as protocol.h describes. */
bool daemon_receive(int fd, const pam_handle_t *pamh, struct message *message);

#endif
