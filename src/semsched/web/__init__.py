"""What HTTP servers share: the other end of a connection, failures in OpenAI's form, a server."""
