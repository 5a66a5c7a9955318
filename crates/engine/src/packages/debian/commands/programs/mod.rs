//! Programs that one package brings for the scripts of its own family.

mod apache;
mod apt;
mod catalogs;
mod chrony;
mod configurations;
mod emacs;
mod glib;
mod gzip;
mod immodules;
mod inetd;
mod kernel;
mod left_out;
mod lighttpd;
mod linux;
pub(super) mod listchanges;
mod locales;
mod mailcap;
mod odbc;
mod postfix;
mod postgresql;
mod random;
mod sax;
mod secrets;
mod su;
mod tcl;
mod tex;
mod ucf;

pub(super) use left_out::no_rules;

use super::system::Program;

/// The program of a name, if it is one of these.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    Some(match name {
        b"a2disconf" | b"a2dismod" | b"a2dissite" => apache::disable,
        b"a2enconf" | b"a2enmod" | b"a2ensite" => apache::enable,
        b"a2query" => apache::query,
        b"apt-get" => apt::apt_get,
        b"chronyd" => chrony::chronyd,
        b"debsecan" => configurations::debsecan,
        b"dump-firebird-config" => configurations::dump_firebird,
        b"emacs-package-install" => emacs::package_install,
        b"git" => configurations::git,
        b"glib-compile-schemas" => glib::compile_schemas,
        b"gtk-query-immodules-3.0" => immodules::update_cache,
        b"icinga2" => configurations::icinga,
        b"ikiwiki-mass-rebuild" => configurations::ikiwiki,
        b"install.pl" => apt::apt_cacher,
        b"java" => left_out::java,
        b"lighty-enable-mod" => lighttpd::enable,
        b"gzip" | b"gunzip" | b"zcat" => gzip::gzip,
        b"linux-version" => linux::linux_version,
        b"localedef" => locales::localedef,
        b"mysql" => left_out::mysql,
        b"newaliases" => left_out::newaliases,
        b"octave" => left_out::octave,
        b"odbcinst" => odbc::odbcinst,
        b"pam_getenv" => locales::pam_getenv,
        b"pg_checksystem" => postgresql::pg_checksystem,
        b"pg_conftool" => postgresql::pg_conftool,
        b"pg_lsclusters" => postgresql::pg_lsclusters,
        b"pg_updatedicts" => postgresql::pg_updatedicts,
        b"postconf" => postfix::postconf,
        b"runuser" | b"su" => su::su,
        b"setupcon" => left_out::setupcon,
        b"slapadd" => left_out::slapadd,
        b"sqlite3" => left_out::sqlite3,
        b"tclsh" => tcl::tclsh,
        b"twadmin" => secrets::twadmin,
        b"ucfq" => ucf::ucfq,
        b"update-binfmts" => left_out::update_binfmts,
        b"update-catalog" => catalogs::update_catalog,
        b"update-inetd" => inetd::update_inetd,
        b"update-mime" => mailcap::update_mime,
        b"update-locale" => locales::update_locale,
        b"update-perl-sax-parsers" => sax::update,
        b"update-xmlcatalog" => catalogs::update_xmlcatalog,
        name => {
            let others = kernel::program(name).or_else(|| left_out::program(name));
            let others = others.or_else(|| secrets::program(name));
            return others.or_else(|| random::program(name)).or_else(|| tex::program(name));
        }
    })
}
