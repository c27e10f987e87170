# An image on nothing: the static binary alone. GoReleaser copies the binary beside this file.
FROM scratch
COPY quarterdeck /quarterdeck
ENTRYPOINT ["/quarterdeck"]
