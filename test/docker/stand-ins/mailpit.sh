#!/bin/sh
exec node /app/stand-in/mail.ts "$@"
