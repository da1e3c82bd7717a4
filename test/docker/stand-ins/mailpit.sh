#!/bin/bash
# The health check goes without Node, which takes seconds to start on a busy machine.
if [ "${1:-}" = readyz ]; then
  exec 3<> /dev/tcp/127.0.0.1/8025
  exit
fi
exec node /app/stand-in/mail.ts
