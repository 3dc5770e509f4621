#!/usr/bin/env bash
# Builds dist/mcp-gateway, one executable for this host's platform that needs no Node and no file beside it, and prints its
# size, start time and idle memory. The same sources give the same bytes.
# --deb makes a Debian package of it as well (dpkg-deb); --no-measure leaves the measuring out. Needs strip (binutils), about
# 1 GB of memory.
set -euo pipefail
cd "$(dirname "$0")/.."

measure=yes
deb=''
for word in "$@"; do
  case $word in
    --no-measure) measure='' ;;
    --deb) deb=yes ;;
    *) echo "usage: scripts/build-sea.sh [--deb] [--no-measure]" >&2; exit 2 ;;
  esac
done

[ -e node_modules/.bin/esbuild ] || npm ci --no-audit --no-fund
bin=$PWD/node_modules/.bin
node=$(readlink -f "$bin/node" || true)
[ -x "$node" ] || node=$(command -v node)

mkdir -p dist
work=$(mktemp -d dist/build.XXXXXX)
trap 'rm -rf "$work"' EXIT

# CommonJS: lazy imports stay lazy, since each module of the bundle runs on its first import. Without comments it is pure ASCII,
# which V8 keeps in one byte for each character instead of two; short lines keep stack traces readable. The large libraries that
# no start needs are files of their own: V8 holds the whole text of what it has read one function of.
libraries=(@peculiar/x509 acme-client ioredis undici)
bundle() {
  local outside=() library name=$1
  shift
  for library in "${libraries[@]}"; do [ "$library" = "$name" ] || outside+=("--external:$library"); done
  "$bin/esbuild" "$@" --bundle --platform=node --target=node24 --format=cjs --supported:dynamic-import=false "${outside[@]}" \
    --legal-comments=none --minify-whitespace --line-limit=160 --log-level=error --outfile="$work/${name##*/}.cjs" \
    --banner:js='(function(exports,require,module,__filename,__dirname){' --footer:js='})'
}
bundle mcp-gateway src/cli.ts
for library in "${libraries[@]}"; do bundle "$library" <<<"module.exports = require('$library')"; done

# The functions of a first start, compiled. The seed makes the cache the same each time; V8 does not hold it against it later.
cp scripts/executable/main.cjs "$work"
(cd "$work" && env -i "$node" --random-seed=1 ../../scripts/executable/code-cache.cjs)

# Young objects get at most 16 MB a half: V8's own limit holds a quarter more memory under load and is no faster. To begin with as
# much saves the start a dozen collections, 3 ms, and costs 10 MB at rest.
# The console's page goes in as the files it is.
assets=$(
  for file in src/console/browser/*.{html,css,js}; do printf '"console/%s": "../../%s", ' "${file##*/}" "$file"; done
  for library in "${libraries[@]}"; do printf '"%s": "%s.cjs", ' "$library" "${library##*/}"; done
)
cat >"$work/sea.json" <<END
{ "main": "main.cjs", "output": "sea.blob", "disableExperimentalSEAWarning": true,
  "execArgv": ["--max-semi-space-size=16"], "execArgvExtension": "cli",
  "assets": { $assets"mcp-gateway.cjs": "mcp-gateway.cjs", "code-cache": "code-cache" } }
END
(cd "$work" && "$node" --experimental-sea-config sea.json >/dev/null 2>&1) || { echo "the blob was not made" >&2; exit 1; }

# Strip first: an executable that is stripped after the injection crashes.
cp "$node" "$work/mcp-gateway"
chmod u+w "$work/mcp-gateway"
strip "$work/mcp-gateway"
"$node" "$bin/postject" "$work/mcp-gateway" NODE_SEA_BLOB "$work/sea.blob" \
  --sentinel-fuse NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2 >/dev/null 2>&1
# Written anew in small pieces, as whoever copies or unpacks it does. The kernel keeps what was written at once in large pieces, and
# maps them whole: 15 MB more at rest.
install --mode=755 "$work/mcp-gateway" dist/mcp-gateway
sha256sum dist/mcp-gateway
[ -z "$deb" ] || "$node" scripts/debian-package.ts
[ -z "$measure" ] || "$node" scripts/measure-executable.ts dist/mcp-gateway
