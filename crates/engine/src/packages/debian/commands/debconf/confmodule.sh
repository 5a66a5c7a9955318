# The functions of debconf's confmodule. A build has nobody to ask: every answer is the definition's, or
# the default of the template.
if [ -z "${DEBIAN_HAS_FRONTEND:-}" ]; then
	/usr/share/debconf/frontend x_begin "$0" "$@"
fi
export DEBIAN_HAS_FRONTEND=1
if [ -z "${DEBCONF_REDIR:-}" ]; then
	# As in a system, what a script prints is not taken for a command; descriptor 3 is its output.
	exec 3>&1 1>&2
	export DEBCONF_REDIR=1
fi
_db_cmd () {
	# As in a system, where IFS is put aside while the frontend is asked: one that was unset is empty from
	# then on, and words are split no more.
	IFS="$IFS"
	_db_internal_line=$(/usr/share/debconf/frontend "$@")
	RET=${_db_internal_line#[! 	][ 	]}
	return "${_db_internal_line%%[ 	]*}"
}
db_beginblock () { _db_cmd BEGINBLOCK "$@"; }
db_capb () { _db_cmd CAPB "$@"; }
db_clear () { _db_cmd CLEAR "$@"; }
db_data () { _db_cmd DATA "$@"; }
db_endblock () { _db_cmd ENDBLOCK "$@"; }
db_fget () { _db_cmd FGET "$@"; }
db_fset () { _db_cmd FSET "$@"; }
db_get () { _db_cmd GET "$@"; }
db_go () { _db_cmd GO "$@"; }
db_info () { _db_cmd INFO "$@"; }
db_input () { _db_cmd INPUT "$@"; }
db_metaget () { _db_cmd METAGET "$@"; }
db_progress () { _db_cmd PROGRESS "$@"; }
db_purge () { _db_cmd PURGE "$@"; }
db_register () { _db_cmd REGISTER "$@"; }
db_reset () { _db_cmd RESET "$@"; }
db_set () { _db_cmd SET "$@"; }
db_settitle () { _db_cmd SETTITLE "$@"; }
db_subst () { _db_cmd SUBST "$@"; }
db_title () { _db_cmd TITLE "$@"; }
db_unregister () { _db_cmd UNREGISTER "$@"; }
db_version () { _db_cmd VERSION "$@"; }
db_x_loadtemplatefile () { _db_cmd X_LOADTEMPLATEFILE "$@"; }
db_text () { db_input "$@"; }
db_stop () { :; }
