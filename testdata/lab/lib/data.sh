# What the stack `data` and the jobs on it need: a Debian with the database servers, their clients and restic, the
# images on it, and the secrets.

DATA_DATE=20261129 # of Debian's packages: another date makes the base anew
DATA_PACKAGES="postgresql mariadb-server redis-server restic ca-certificates"
# What no server here uses: Postgres' compiler for queries alone is a third of the image.
DATA_LEFT_OUT="/usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/i18n/* /usr/lib/*/libLLVM* /usr/lib/*/libz3*
  /usr/lib/postgresql/*/lib/*llvmjit* /usr/lib/postgresql/*/lib/bitcode/* /usr/bin/aria_* /usr/bin/myisam*"

data_version() { echo "$DATA_DATE-$(echo "$DATA_PACKAGES $DATA_LEFT_OUT" | sha256sum | cut -c1-12)"; }
data_base() { echo "$C/data-base-$(data_version)/base.tar"; }

# data_base_build makes the base outside the checkout, once. The folders of the servers are emptied: Docker would
# copy what an image has there into a new volume, and the servers would take it for theirs.
# shellcheck disable=SC2016
data_base_build() {
  local file temp path begin=$SECONDS options=()
  file=$(data_base)
  [ ! -s "$file" ] || return 0
  command -v mmdebstrap >/dev/null || install_packages mmdebstrap
  mkdir -p "$C"
  temp=$(mktemp -d "$C/.tmp-data-base.XXXXXX")
  say "building the databases' base into $(dirname "$file")"
  set -f # the patterns are dpkg's
  for path in $DATA_LEFT_OUT; do options+=("--dpkgopt=path-exclude=$path"); done
  set +f
  nice -n 10 mmdebstrap --variant=minbase --include="${DATA_PACKAGES// /,}" --aptopt='APT::Install-Recommends "false"' "${options[@]}" \
    --essential-hook='mkdir -p "$1/etc/postgresql-common" && echo create_main_cluster=false >"$1/etc/postgresql-common/createcluster.conf"' \
    --customize-hook='rm -rf "$1"/var/lib/mysql/* "$1"/var/lib/redis/* "$1"/var/log/*' \
    bookworm "$temp/base.tar" >"$C/data-base.log" 2>&1 ||
    { rm -rf "$temp"; tail -5 "$C/data-base.log" >&2; die "cannot build the databases' base: see $C/data-base.log"; }
  chmod 755 "$temp"
  rm -rf "$(dirname "$file")"
  mv "$temp" "$(dirname "$file")"
  say "built the databases' base in $((SECONDS - begin)) s, $(du -m "$file" | cut -f1) MB"
}

# digest_of NAME:TAG is the digest of an image in the registry; failure where it is not there.
digest_of() {
  curl -fsS -m 10 -I -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
    "$(address_of registry)/v2/${1%:*}/manifests/${1#*:}" 2>/dev/null | tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }' | grep .
}

# layered NAME:TAG FOLDER DOCKERFILE builds an image on the base and pushes it, unless the registry has it.
layered() {
  ! digest_of "$1" >/dev/null || return 0
  DOCKER_BUILDKIT=0 d 1 build --pull=false --build-arg "BASE=$REGISTRY/data-base:$(data_version)" -t "$REGISTRY/$1" -f "$2/$3" "$2" &&
    d 1 push -q "$REGISTRY/$1"
}

data_tag() { cat "$here"/data/* | sha256sum | cut -c1-12; }

# data_images_up: the base, the servers, and the workload that writes to them, under a tag of its own so that
# the shop is not deployed anew.
data_images_up() {
  local want begin=$SECONDS
  want=$(data_version)-$(data_tag)-$(basename "$(dir_of workload)")
  [ "$(cat "$S/data-images" 2>/dev/null)" != "$want" ] || return 0
  data_base_build
  build workload workload .
  {
    { digest_of "data-base:$(data_version)" >/dev/null ||
      { d 1 import "$(data_base)" "$REGISTRY/data-base:$(data_version)" && d 1 push -q "$REGISTRY/data-base:$(data_version)"; }; } &&
      layered "data:$(data_tag)" "$here/data" Dockerfile &&
      d 1 pull -q "$REGISTRY/data:$(data_tag)" && d 1 tag "$REGISTRY/data:$(data_tag)" "$REGISTRY/data:1" && d 1 push -q "$REGISTRY/data:1" &&
      { grep -q "$(basename "$(dir_of workload)")\$" "$S/data-images" 2>/dev/null || image writer "ENV VERSION=1.0 RATE=0"; }
  } >>"$S/logs/images.log" 2>&1 || die "the images could not be pushed; see $S/logs/images.log"
  echo "$want" >"$S/data-images"
  say "the databases' images are in the registry after $((SECONDS - begin)) s"
}

# secret_up NAME makes a secret of what it reads, unless there is one.
secret_up() {
  local m
  m=$(manager) || die "no manager answers"
  if d "$m" secret inspect "$1" >/dev/null 2>&1; then cat >/dev/null; else d "$m" secret create "$1" - >/dev/null; fi
}

# data_secrets_up: the databases' passwords, and the repository's secret, which runners alone see.
data_secrets_up() {
  local name
  for name in db maria cache; do echo -n "quarterdeck-lab-$name" | secret_up "data_${name}_password"; done
  secret_up qd-repository <<SECRET
RESTIC_REPOSITORY=s3:$(address_of s3)/$BUCKET/lab/repository
RESTIC_PASSWORD=quarterdeck-lab-repository
AWS_ACCESS_KEY_ID=$S3_KEY
AWS_SECRET_ACCESS_KEY=$S3_SECRET
AWS_DEFAULT_REGION=us-east-1
AWS_REGION=us-east-1
QUARTERDECK_S3=s3+$(address_of s3)/$BUCKET/lab
SECRET
}

data_up() {
  data_images_up
  data_secrets_up
}

# cmd_runner builds the jobs' image with the binary of this checkout and prints it by digest. Nothing is pushed
# where the binary is the same. It has a lock of its own: the build takes long, and disturbs nothing.
cmd_runner() {
  local dir tag digest
  need_root
  exec 8>"$S.runner.lock"
  flock -w 600 8 || die "another lab command holds $S.runner.lock"
  data_up
  dir=$S/runner
  mkdir -p "$dir"
  (cd "$here/../.." && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$dir/quarterdeck" ./cmd/quarterdeck) 8>&- ||
    die "the binary cannot be built"
  cp "$here/../../Dockerfile.runner" "$dir/Dockerfile.runner"
  tag=$({ data_version; cat "$dir/quarterdeck" "$dir/Dockerfile.runner"; } | sha256sum | cut -c1-12)
  layered "quarterdeck-runner:$tag" "$dir" Dockerfile.runner >>"$S/logs/images.log" 2>&1 || die "the runner's image could not be pushed; see $S/logs/images.log"
  digest=$(digest_of "quarterdeck-runner:$tag") || die "the registry does not have quarterdeck-runner:$tag"
  echo "$REGISTRY/quarterdeck-runner@$digest" | tee "$S/runner-image"
}
