<?php
// The one-time link: signs the administrator in, for the key that unlocks the password which
// password.php has left. With any other key, and from then on, it leads to the sign-in page, or to the
// wiki where its visitor is signed in already.
use MediaWiki\Auth\AuthenticationRequest;
use MediaWiki\Auth\AuthenticationResponse;
use MediaWiki\Auth\AuthManager;
use MediaWiki\Context\RequestContext;
use MediaWiki\EntryPointEnvironment;
use MediaWiki\MediaWikiEntryPoint;
use MediaWiki\MediaWikiServices;

define( 'MW_ENTRY_POINT', 'sign-in' );
require __DIR__ . '/includes/WebStart.php';

class SignIn extends MediaWikiEntryPoint {
	private const FILE = '/var/lib/mediawiki/data/sign-in';

	protected function execute() {
		// A link preview that asks with HEAD must not use it up.
		$get = $this->getRequest()->getMethod() === 'GET';
		$password = $get ? $this->unlocked( $this->getRequest()->getRawVal( 'key', '' ) ) : null;
		$signedIn = $password !== null
			? $this->signIn( $password )
			: RequestContext::getMain()->getUser()->isRegistered();

		$this->header( 'Cache-Control: no-store' );
		$this->header( 'Referrer-Policy: no-referrer' );
		$this->header( 'Location: ' . ( $signedIn ? '/' : '/wiki/Special:UserLogin' ), true, 303 );
	}

	/** The password, for the first who brings its key. */
	private function unlocked( string $key ): ?string {
		if ( !preg_match( '/^[0-9a-f]{64}$/D', $key ) || !is_file( self::FILE ) ) {
			return null;
		}
		$locked = (string)@file_get_contents( self::FILE );
		$nonce = str_repeat( "\0", SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$password = sodium_crypto_secretbox_open( $locked, $nonce, hex2bin( $key ) );
		// Of two at once, one unlinks it.
		return $password !== false && @unlink( self::FILE ) ? $password : null;
	}

	private function signIn( string $password ): bool {
		$manager = $this->getServiceContainer()->getAuthManager();
		$requests = AuthenticationRequest::loadRequestsFromSubmission(
			$manager->getAuthenticationRequests( AuthManager::ACTION_LOGIN ),
			[ 'username' => 'Admin', 'password' => $password ]
		);
		return $manager->canAuthenticateNow()
			&& $manager->beginAuthentication( $requests, '/' )->status === AuthenticationResponse::PASS;
	}
}

( new SignIn(
	RequestContext::getMain(), new EntryPointEnvironment(), MediaWikiServices::getInstance()
) )->run();
