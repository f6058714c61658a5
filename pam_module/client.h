/* The socket to the ssh client that sshd's PAM process has inherited. */

#ifndef PUSHMFA_CLIENT_H
#define PUSHMFA_CLIENT_H

/* Return the descriptor of the connection whose peer is the first address and
   port of conn (SSH_CONNECTION), or -1.  It belongs to sshd. */
int client_find(const char *conn);

#endif
