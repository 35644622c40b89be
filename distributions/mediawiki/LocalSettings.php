<?php
// The site answers at whatever name Traefik sends here; anything odd gets a harmless one.
$host = $_SERVER['HTTP_HOST'] ?? '';
$wgServer = ( isset( $_SERVER['HTTPS'] ) ? 'https://' : 'http://' )
	. ( preg_match( '/^[a-z0-9.-]{1,253}(:\d{1,5})?$/i', $host ) ? $host : 'localhost' );
$wgScriptPath = '';
$wgArticlePath = '/wiki/$1';
$wgMainPageIsDomainRoot = true;

// The wiki is called as its address says, "my-wiki-<id>.…". No namespace takes its name from it, and
// neither does the one page that was rendered before: so that one stays cached.
$named = preg_match( '/^([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-[a-kmnp-z2-9]{12}\./', strtolower( $host ), $found );
$wgSitename = $named ? ucfirst( preg_replace( '/-+/', ' ', $found[1] ) ) : 'MediaWiki';
$wgMetaNamespace = 'Project';
$wgLogos = [ 'icon' => '/resources/assets/mediawiki.png' ];
$wgFavicon = '/resources/assets/mediawiki.png';
$wgLanguageCode = 'en';
$wgLocaltimezone = 'UTC';

// SQLite, its databases apart so that caching never waits for saving.
$wgDBtype = 'sqlite';
$wgDBname = 'wiki';
$wgSQLiteDataDir = '/var/lib/mediawiki/data';
$wgObjectCaches[CACHE_DB] = [
	'class' => SqlBagOStuff::class,
	'server' => [
		'type' => 'sqlite',
		'dbname' => 'wikicache',
		'tablePrefix' => '',
		'variables' => [ 'synchronous' => 'NORMAL' ],
		'dbDirectory' => $wgSQLiteDataDir,
		'trxMode' => 'IMMEDIATE',
		'flags' => 0,
	],
];
$wgMainCacheType = CACHE_ACCEL;
$wgSessionCacheType = CACHE_ACCEL;
$wgParserCacheType = CACHE_DB;
$wgCacheDirectory = '/var/lib/mediawiki/cache';
$wgLocalisationCacheConf['store'] = 'array';
$wgSecretKey = is_readable( "$wgSQLiteDataDir/secret" ) ? file_get_contents( "$wgSQLiteDataDir/secret" ) : '';

// A sandbox: pictures may be uploaded, nothing is mailed, nothing is fetched from elsewhere.
$wgEnableUploads = true;
$wgFileExtensions = [ 'png', 'gif', 'jpg', 'jpeg', 'webp' ];
$wgUseImageMagick = false;
$wgEnableEmail = false;
$wgPingback = false;
$wgGroupPermissions['*']['edit'] = false;

wfLoadSkin( 'Vector' );
$wgDefaultSkin = 'vector-2022';
wfLoadExtensions( [
	'CategoryTree', 'Cite', 'InputBox', 'MultimediaViewer', 'ParserFunctions', 'TemplateData',
	'VisualEditor', 'WikiEditor',
] );
