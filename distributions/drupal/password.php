<?php
// Gives this instance secrets of its own: the site's salt, and the administrator's password (one that
// nobody knows, where none is given). It is random and long, so that a cheap hash is as safe as a dear one.
$data = '/srv/drupal/data';
$password = getenv('ADMIN_PASSWORD') ?: bin2hex(random_bytes(16));

file_put_contents("$data/salt", bin2hex(random_bytes(32)));
$database = new PDO("sqlite:$data/drupal.sqlite");
$database->prepare('UPDATE users_field_data SET pass = ? WHERE uid = 1')
    ->execute([password_hash($password, PASSWORD_BCRYPT, ['cost' => 6])]);
// Drupal keeps a copy of the account, in a table that it makes when it first needs it.
$database->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
$database->exec("DELETE FROM cache_entity WHERE cid = 'values:user:1'");
