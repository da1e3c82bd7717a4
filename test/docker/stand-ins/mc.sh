#!/bin/sh
exec node /app/stand-in/mc.ts "$@"
