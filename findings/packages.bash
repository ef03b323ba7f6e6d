# What every finding shares: its arguments, and Python packages in a temporary folder that ends with it.
case "$*" in
  "") ;;
  --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONWARNINGS=ignore NUMBA_CACHE_DIR=$work

# packages NAME==VERSION...: `python` has these from here on.
packages() {
  local folder
  folder=$(mktemp -d "$work/python.XXXXXX")
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
  PATH=$folder/bin:$PATH
}
