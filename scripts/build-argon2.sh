#!/usr/bin/env bash
# Builds argon2 for the processor it is going to run on. The prebuilt one is compiled for SSE2: 15.6 ms of CPU a hash at the
# product's parameters, against 5.6 to 7 ms with AVX, and sign-ins cost little else. Same sources, same hashes. Without a
# compiler, or where the build fails its own check, the prebuilt stays. Not for images: they run on other machines than they are built on.
set -euo pipefail
cd "$(dirname "$0")/.."
module=$(readlink -f node_modules/argon2)
target=$module/build/Release/argon2.node
[ -e "$target" ] && exit 0
command -v gcc >/dev/null && command -v g++ >/dev/null || { echo 'argon2: no compiler here; the slower prebuilt is used'; exit 0; }
node_headers=$(dirname "$(dirname "$(command -v node)")")/include/node
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

core=(argon2 core encoding thread blake2/blake2b)
case $(uname -m) in x86_64) core+=(opt) ;; *) core+=(ref) ;; esac
build() {
  for name in "${core[@]}"; do
    gcc -O3 -march=native -fPIC -pthread -DNDEBUG -I"$module/argon2/include" -c "$module/argon2/src/$name.c" -o "$work/$(basename "$name").o"
  done
  g++ -O2 -std=c++17 -fPIC -pthread -fexceptions -DNAPI_VERSION=8 -I"$module/argon2/include" -I"$module/../node-addon-api" -I"$node_headers" \
    -shared "$module/argon2.cpp" "$work"/*.o -o "$work/argon2.node"
  # Loaded in a process of its own: a wrong instruction would end it. It must give byte for byte what the prebuilt gives.
  node -e '
    const { createRequire } = require("node:module");
    const argon2 = require(process.argv[1]);
    const built = createRequire(process.argv[1] + "/")(process.argv[2]);
    const options = { password: Buffer.from("check"), salt: Buffer.alloc(16, 7), secret: Buffer.alloc(0), data: Buffer.alloc(0), hashLength: 32, m: 1024, t: 2, p: 1, version: 19, type: 2 };
    built.hash(options).then(async (raw) => {
      const expected = await argon2.hash("check", { raw: true, salt: options.salt, memoryCost: 1024, timeCost: 2, parallelism: 1 });
      process.exit(Buffer.compare(Buffer.from(raw), expected) === 0 ? 0 : 1);
    }).catch(() => process.exit(1));
  ' "$module" "$work/argon2.node"
}
if build 2>"$work/errors"; then
  mkdir -p "$(dirname "$target")"
  mv "$work/argon2.node" "$target"
  echo 'argon2: built for this processor'
else
  echo 'argon2: the build for this processor failed; the slower prebuilt is used'
  head -n 5 "$work/errors"
fi
