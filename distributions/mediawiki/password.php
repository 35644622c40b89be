<?php
// Gives this instance secrets of its own: the wiki's key, and the administrator's password (one that
// nobody knows, where none is given), hashed as MediaWiki does by default.
$data = '/var/lib/mediawiki/data';
$password = getenv('ADMIN_PASSWORD') ?: bin2hex(random_bytes(16));
$salt = random_bytes(16);
$hash = hash_pbkdf2('sha512', $password, $salt, 30000, 64, true);

file_put_contents("$data/secret", bin2hex(random_bytes(32)));
(new PDO("sqlite:$data/wiki.sqlite"))
    ->prepare('UPDATE user SET user_password = ?, user_token = ? WHERE user_name = ?')
    ->execute([
        ':pbkdf2:sha512:30000:64:' . base64_encode($salt) . ':' . base64_encode($hash),
        bin2hex(random_bytes(16)),
        'Admin',
    ]);

// What database.php needs, and what sign-in.php needs: the password, locked with the one-time link's key. A key locks nothing else,
// so the nonce need not be random.
if (getenv('ADMIN_PASSWORD')) {
    $key = hash_hmac('sha256', 'login', $password, true);
    $nonce = str_repeat("\0", SODIUM_CRYPTO_SECRETBOX_NONCEBYTES);
    file_put_contents("$data/database-key", hash_hmac('sha256', 'database', $password));
    file_put_contents("$data/sign-in", sodium_crypto_secretbox($password, $nonce, $key));
}
