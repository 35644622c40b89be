<?php
// Gives the administrator this instance's password, or one that nobody knows. The password is random
// and long, so a cheap hash is as safe as a dear one, and the site starts sooner.
$password = getenv('ADMIN_PASSWORD') ?: bin2hex(random_bytes(16));
$hash = password_hash($password, PASSWORD_BCRYPT, ['cost' => 6]);
file_put_contents(
    '/var/lib/dokuwiki/acl/users.auth.php',
    "# <?php exit()?>\nadmin:$hash:Administrator:admin@example.org:admin,user\n"
);

// What sign-in.php needs: the password, locked with the one-time link's key. A key locks nothing else,
// so the nonce need not be random.
if (getenv('ADMIN_PASSWORD')) {
    $key = hash_hmac('sha256', 'login', $password, true);
    $nonce = str_repeat("\0", SODIUM_CRYPTO_SECRETBOX_NONCEBYTES);
    file_put_contents('/var/lib/dokuwiki/acl/sign-in', sodium_crypto_secretbox($password, $nonce, $key));
}
