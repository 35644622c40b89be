<?php
// Adminer, for whoever launched this site. They come with a ticket, `<until>-<seal>`: good until then, and
// once. From then on they have a session of their own, in a cookie. To all others there is nothing here.
const DATABASE = '/var/lib/mediawiki/data/wiki.sqlite';
const KEY = '/var/lib/mediawiki/data/database-key'; // which password.php has left
const SESSIONS = '/tmp/database';

header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
header('X-Robots-Tag: noindex');

/** Whether it is one of ours, still good, and was not used before: of two at once, one makes the folder. */
function is_good(string $ticket): bool
{
    if (!preg_match('/^(\d{10})-([0-9a-f]{64})$/D', $ticket, $found) || !is_file(KEY)) {
        return false;
    }
    $seal = hash_hmac('sha256', $found[1], file_get_contents(KEY));
    return hash_equals($seal, $found[2]) && $found[1] >= time() && @mkdir(SESSIONS . "/ticket-$found[2]");
}

@mkdir(SESSIONS, 0700);
session_name('database');
session_set_cookie_params([
    'path' => '/database/',
    'secure' => isset($_SERVER['HTTPS']),
    'httponly' => true,
    'samesite' => 'Lax', // the way here begins on another site
]);
$options = ['save_path' => SESSIONS, 'use_strict_mode' => '1', 'cache_limiter' => '', 'gc_probability' => '0'];

// A link preview that asks with HEAD must not use a ticket up.
if ($_SERVER['REQUEST_METHOD'] === 'GET' && is_string($_GET['ticket'] ?? null)) {
    if (is_good($_GET['ticket'])) {
        session_start($options);
        session_regenerate_id(true);
        $_SESSION = ['owner' => true];
        header('Location: /database/', true, 303);
        exit;
    }
} elseif (isset($_COOKIE[session_name()])) {
    session_start($options);
}
if (empty($_SESSION['owner'])) {
    http_response_code(404);
    header('Content-Type: text/plain');
    exit("There is nothing here. The database opens from the page of your site.\n");
}
if (!isset($_GET['username']) && !isset($_GET['file'])) {
    header('Location: /database/?sqlite=&username=&db=' . rawurlencode(DATABASE), true, 303);
    exit;
}
$_SESSION['pwds']['sqlite'][''][''] = ''; // SQLite has no password; they have signed in already

function adminer_object()
{
    return new class extends Adminer\Adminer {
        public function name()
        {
            return 'Database';
        }

        public function login($login, $password)
        {
            return true;
        }

        public function databases($flush = true)
        {
            return [DATABASE];
        }

        /** It would ask its makers for a newer version. */
        public function head($dark = null)
        {
            echo Adminer\script('verifyVersion = () => {};');
            return true;
        }

        public function csp($csp)
        {
            return array_map(fn ($one) => ['connect-src' => "'self'", 'frame-src' => "'none'"] + $one, $csp);
        }
    };
}

require '/usr/share/adminer/adminer.php';
