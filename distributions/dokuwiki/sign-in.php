<?php
// The one-time link: signs the administrator in, for the key that unlocks the password which
// password.php has left. With any other key, and from then on, it leads to the sign-in page, or to the
// wiki where its visitor is signed in already.
require __DIR__ . '/inc/init.php';

/** The password, for the first who brings its key. */
function unlocked(mixed $key): ?string
{
    $file = '/var/lib/dokuwiki/acl/sign-in';
    if (!is_string($key) || !preg_match('/^[0-9a-f]{64}$/D', $key) || !is_file($file)) {
        return null;
    }
    $locked = (string) @file_get_contents($file);
    $nonce = str_repeat("\0", SODIUM_CRYPTO_SECRETBOX_NONCEBYTES);
    $password = sodium_crypto_secretbox_open($locked, $nonce, hex2bin($key));
    return $password !== false && @unlink($file) ? $password : null;  // of two at once, one unlinks it
}

// A link preview that asks with HEAD must not use it up.
$password = $_SERVER['REQUEST_METHOD'] === 'GET' ? unlocked($_GET['key'] ?? null) : null;
$signedIn = $password !== null
    ? auth_login('admin', $password, false, true)
    : $INPUT->server->str('REMOTE_USER') !== '';

header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
header('Location: ' . ($signedIn ? '/' : '/start?do=login'), true, 303);
