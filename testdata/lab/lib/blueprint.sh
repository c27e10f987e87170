# The images that the blueprint's files name, made in the very versions that they pin where the Go proxy has the program's source,
# from Debian's package otherwise, and of Debian's programs with the same contract where there is neither (nginx before the
# engine's socket, the lab's own cut of cAdvisor). Alloy and Grafana cannot be built from what is at hand here: no images of them.

BLUEPRINT_DATE=20261130 # of Debian's packages: another date makes the base anew
BLUEPRINT_PACKAGES="busybox nginx-light redis-server prometheus-redis-exporter ca-certificates"

blueprint_base() { echo "blueprint-base:$BLUEPRINT_DATE-$(echo "$BLUEPRINT_PACKAGES" | sha256sum | cut -c1-12)"; }

# pinned IMAGE_NAME is the default of that parameter, and its tag.
pinned() { sed -nE "s/^\s*\{Key: \"$1\".* Default: \"([^\"]+)\".*/\1/p" "$here/../../blueprint/params.go" | grep .; }
pinned_tag() { pinned "$1" | sed -E 's/.*:v?([0-9.]+).*/\1/'; }

# from_source NAME MODULE VERSION PACKAGE... builds the module's programs with the module's own go.mod and go.sum, in a copy of it,
# and prints the folder that has them. What the modules lack, as their pages in the browser, is left empty.
from_source() {
  local name=$1 module=$2 version=$3 dir temp source begin=$SECONDS
  shift 3
  dir=$C/blueprint-$name-$version
  echo "$dir"
  [ ! -e "$dir" ] || return 0
  mkdir -p "$C"
  temp=$(mktemp -d "$C/.tmp-$name.XXXXXX")
  say "building $name $version into $dir"
  {
    source=$(cd "$temp" && go mod download -json "$module@$version" | jq -r .Dir) && cp -r --no-preserve=mode "$source" "$temp/source" && mkdir "$temp/bin" &&
      (
        cd "$temp/source"
        case $name in
          alertmanager) mkdir -p ui/app/dist && echo >ui/app/dist/index.html ;;
          traefik) # a module within the module, which the proxy has not: where an edition adds to the configuration
            mkdir -p pkg/config/dynamic/ext
            printf 'module github.com/traefik/traefik/dynamic/ext\n\ngo 1.26\n' >pkg/config/dynamic/ext/go.mod
            printf 'package ext\n\ntype HTTP struct{}\n\nfunc (in *HTTP) DeepCopyInto(out *HTTP) { *out = *in }\n\ntype Router struct{}\n\nfunc (in *Router) DeepCopyInto(out *Router) { *out = *in }\n' >pkg/config/dynamic/ext/ext.go
            # The proxy has not all of what writes to the DNS servers of the world for certificates: without it.
            cp -r --no-preserve=mode "$(go list -m -f '{{.Dir}}' github.com/go-acme/lego/v5)" lego
            rm -rf lego/providers/dns
            mkdir lego/providers/dns
            printf 'package dns\n\nimport (\n\t"errors"\n\n\t"github.com/go-acme/lego/v5/challenge"\n)\n\nfunc NewDNSChallengeProviderByName(string) (challenge.Provider, error) {\n\treturn nil, errors.New("no DNS")\n}\n' >lego/providers/dns/dns.go
            # Nor has it Traefik's own copy of a module for logins: that module, and the two functions that the copy adds.
            cp -r --no-preserve=mode "$(go mod download -json github.com/abbot/go-http-auth@v0.4.0 | jq -r .Dir)" logins
            [ -e logins/go.mod ] || printf 'module github.com/abbot/go-http-auth\n\ngo 1.13\n\nrequire (\n\tgolang.org/x/crypto v0.1.0\n\tgolang.org/x/net v0.1.0\n)\n' >logins/go.mod
            printf 'package auth\n\nimport (\n\t"net/http"\n\t"strings"\n)\n\nfunc CheckSecret(password, secret string) bool {\n\tcompare := compareFuncs[0].compare\n\tfor _, c := range compareFuncs[1:] {\n\t\tif strings.HasPrefix(secret, c.prefix) {\n\t\t\tcompare = c.compare\n\t\t}\n\t}\n\treturn compare([]byte(secret), []byte(password)) == nil\n}\n\nfunc (a *DigestAuth) RequireAuthStale(w http.ResponseWriter, r *http.Request) { a.RequireAuth(w, r) }\n' >logins/more.go
            go mod edit -replace github.com/go-acme/lego/v5=./lego -replace github.com/abbot/go-http-auth=./logins
            ;;
        esac
        CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod nice -n 10 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$temp/bin/" "$@"
      )
  } >"$C/blueprint-$name.log" 2>&1 || { rm -rf "$temp"; tail -5 "$C/blueprint-$name.log" >&2; die "cannot build $name: see $C/blueprint-$name.log"; }
  chmod 755 "$temp" "$temp/bin"
  mv "$temp/bin" "$dir"
  rm -rf "$temp"
  say "built $name in $((SECONDS - begin)) s"
}

# packed NAME TAG USER FOLDERS ENTRYPOINT [FILE...] makes an image on the base of files, in /usr/bin, and of those in
# $S/blueprint/NAME/etc, and pushes it. The folders belong to the user, as they do in the programs' own images: a new volume is like them.
packed() {
  local name=$1 tag=$2 user=$3 folders=$4 entrypoint=$5 dir=$S/blueprint/$1
  shift 5
  mkdir -p "$dir/bin" "$dir/etc"
  [ $# = 0 ] || cp -fl "$@" "$dir/bin/" 2>/dev/null || cp -f "$@" "$dir/bin/"
  cat >"$dir/Dockerfile" <<DOCKERFILE
FROM $REGISTRY/$(blueprint_base)
COPY bin/ /usr/bin/
COPY etc/ /etc/
RUN mkdir -p $folders /tmp && chown $user $folders
USER $user
ENTRYPOINT $entrypoint
DOCKERFILE
  DOCKER_BUILDKIT=0 d 1 build -q --network none --pull=false -t "$REGISTRY/$name:$tag" "$dir" && d 1 push -q "$REGISTRY/$name:$tag"
}

blueprint_base_up() {
  local file
  ! digest_of "$(blueprint_base)" >/dev/null || return 0
  file=$C/$(blueprint_base | tr : -).tar
  command -v mmdebstrap >/dev/null || install_packages mmdebstrap
  [ -s "$file" ] || {
    say "building the blueprint's base into $file"
    # shellcheck disable=SC2016
    mmdebstrap --variant=minbase --include="${BLUEPRINT_PACKAGES// /,}" --aptopt='APT::Install-Recommends "false"' \
      --customize-hook='ln -sf busybox "$1/bin/wget"; rm -rf "$1"/var/lib/redis/* "$1"/var/log/*' bookworm "$file.tmp" --format=tar >"$C/blueprint-base.log" 2>&1 ||
      { tail -5 "$C/blueprint-base.log" >&2; die "cannot build the base: see $C/blueprint-base.log"; }
    mv "$file.tmp" "$file"
  }
  d 1 import "$file" "$REGISTRY/$(blueprint_base)" && d 1 push -q "$REGISTRY/$(blueprint_base)"
}

# cmd_blueprint makes the images and prints the parameters that name them, for `quarterdeck blueprint … --values FILE`.
cmd_blueprint() {
  need_root
  local n t dir values=$S/blueprint/values.yml name
  mkdir -p "$S/blueprint"
  declare -A folder
  t() { pinned_tag "$1"; }
  folder[loki]=$(dir_of loki)
  folder[prometheus]=$(from_source prometheus github.com/prometheus/prometheus "v0.$(t IMAGE_PROMETHEUS | awk -F. '{ print $1 * 100 + $2 "." $3 }')" ./cmd/prometheus ./cmd/promtool)
  folder[alertmanager]=$(from_source alertmanager github.com/prometheus/alertmanager "v$(t IMAGE_ALERTMANAGER)" ./cmd/alertmanager)
  folder[node-exporter]=$(from_source node-exporter github.com/prometheus/node_exporter "v$(t IMAGE_NODE_EXPORTER)" .)
  folder[postgres-exporter]=$(from_source postgres-exporter github.com/prometheus-community/postgres_exporter "v$(t IMAGE_POSTGRES_EXPORTER)" ./cmd/postgres_exporter)
  folder[registry]=$(from_source registry github.com/distribution/distribution/v3 "v$(t IMAGE_REGISTRY)" ./cmd/registry)
  folder[traefik]=$(from_source traefik github.com/traefik/traefik/v3 "v$(t IMAGE_TRAEFIK)" ./cmd/traefik)
  build cadvisor cadvisor .
  blueprint_base_up >>"$S/logs/images.log" 2>&1 || die "the base could not be pushed; see $S/logs/images.log"
  for name in traefik socket-proxy web cadvisor registry; do mkdir -p "$S/blueprint/$name/etc" "$S/blueprint/$name/bin"; done

  printf '#!/bin/sh\ncase "${1:-}" in -*) set -- traefik "$@" ;; esac\nexec "$@"\n' >"$S/blueprint/traefik/bin/entrypoint.sh"
  # The proxy's contract: what the environment names may be read, and nothing else be asked.
  cat >"$S/blueprint/socket-proxy/bin/socket-proxy" <<'SCRIPT'
#!/bin/sh
allowed='_ping|version|events'
for p in INFO SERVICES TASKS NODES NETWORKS CONTAINERS; do
  eval "v=\${$p:-0}"
  [ "$v" = 1 ] && allowed="$allowed|$(echo $p | tr A-Z a-z)"
done
cat >/tmp/nginx.conf <<NGINX
daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  server {
    listen 2375;
    location ~ ^(/v[0-9.]+)?/($allowed)(/|\$) { limit_except GET { deny all; } proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 10m; proxy_pass http://unix:/var/run/docker.sock; }
    location / { return 403; }
  }
}
NGINX
exec nginx -c /tmp/nginx.conf -e stderr
SCRIPT
  sed -i 's/^daemon off;/user root;\n&/' "$S/blueprint/socket-proxy/bin/socket-proxy"
  cat >"$S/blueprint/web/etc/web.conf" <<'NGINX'
daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  server { listen 8080; location / { return 200 "served by $hostname\n"; } }
}
NGINX
  # cAdvisor's own command is not on the proxy: the lab's takes what an engine's socket needs.
  printf '#!/bin/sh\nexec /usr/bin/cadvisor -docker unix:///var/run/docker.sock -listen :8080 -interval 10s\n' >"$S/blueprint/cadvisor/bin/cadvisor-run"
  mkdir -p "$S/blueprint/registry/etc/distribution"
  printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ":5000"}\n' >"$S/blueprint/registry/etc/distribution/config.yml"
  printf '#!/bin/sh\nexec registry serve /etc/distribution/config.yml\n' >"$S/blueprint/registry/bin/registry-run"
  chmod 755 "$S"/blueprint/*/bin/*

  {
    packed loki "$(t IMAGE_LOKI)" 10001 /loki '["/usr/bin/loki"]' "${folder[loki]}/loki" &&
      packed prometheus "$(t IMAGE_PROMETHEUS)" 65534 /prometheus '["/usr/bin/prometheus"]' "${folder[prometheus]}"/* &&
      packed alertmanager "$(t IMAGE_ALERTMANAGER)" 65534 /alertmanager '["/usr/bin/alertmanager"]' "${folder[alertmanager]}"/* &&
      packed node-exporter "$(t IMAGE_NODE_EXPORTER)" 65534 /nothing '["/usr/bin/node_exporter"]' "${folder[node-exporter]}"/* &&
      packed postgres-exporter "$(t IMAGE_POSTGRES_EXPORTER)" 65534 /nothing '["/usr/bin/postgres_exporter"]' "${folder[postgres-exporter]}"/* &&
      packed registry "$(t IMAGE_REGISTRY)" 0 /var/lib/registry '["/usr/bin/registry-run"]' "${folder[registry]}"/* &&
      packed traefik "$(t IMAGE_TRAEFIK)" 0 /acme '["/usr/bin/entrypoint.sh"]' "${folder[traefik]}"/* &&
      packed cadvisor lab 0 /nothing '["/usr/bin/cadvisor-run"]' "$(bin cadvisor)" &&
      packed socket-proxy lab 0 /nothing '["/usr/bin/socket-proxy"]' &&
      packed web lab 101 /nothing '["/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/web.conf"]' &&
      packed redis debian 999 /data '[]' &&
      packed redis-exporter debian 65534 /nothing '["/usr/bin/prometheus-redis-exporter"]'
  } >>"$S/logs/images.log" 2>&1 || { tail -5 "$S/logs/images.log" >&2; die "the images could not be pushed; see $S/logs/images.log"; }

  {
    echo "# The blueprint's images in the lab's registry."
    for name in loki prometheus alertmanager node-exporter postgres-exporter registry traefik; do
      n=IMAGE_$(echo "$name" | tr a-z- A-Z_)
      echo "$n: $REGISTRY/$name:$(t "$n")"
    done
    echo "IMAGE_CADVISOR: $REGISTRY/cadvisor:lab"
    echo "IMAGE_SOCKET_PROXY: $REGISTRY/socket-proxy:lab"
    echo "IMAGE_WEB: $REGISTRY/web:lab"
    echo "IMAGE_REDIS: $REGISTRY/redis:debian"
    echo "IMAGE_REDIS_EXPORTER: $REGISTRY/redis-exporter:debian"
  } >"$values"
  for n in $NODES; do # the engines' sockets under their nodes' names, for a mount's template
    dir=$S/blueprint/run/node$n
    mkdir -p "$dir"
    ln -f "$S/$n/docker.sock" "$dir/docker.sock"
  done
  echo "$values"
}
