#!/usr/bin/env bash
# services.sh - private, real Apache Kafka and Redis for tests and the demo.
#
# As a library:           . tests/support/services.sh
#   kafka_start DIR       start (or start again) the broker that lives in DIR; sets KAFKA_BROKERS
#   kafka_topic NAME PARTITIONS [config=value...]
#   kafka_topics PARTITIONS   the four topics of the engine; events and controls get PARTITIONS
#   kafka_stop            orderly; kafka_kill: kill -9; kafka_pause, kafka_resume: SIGSTOP, SIGCONT
#   redis_start DIR       sets REDIS_URL (TCP) and REDIS_SOCK (unix socket)
#   redis_stop, redis_kill, redis_pause, redis_resume
#   services_stop         stop everything that this shell started; runs by itself at exit unless the
#                         shell has an EXIT trap of its own, which then has to call it
# As a program:           tests/support/services.sh kafka_start DIR
#   prints NAME=value lines, leaves the service running; every other function takes DIR first:
#   services.sh kafka_topic DIR NAME PARTITIONS ..., services.sh kafka_stop DIR
#
# Everything of a service is below its DIR: kafka.pid, kafka.port, kafka.log, kafka.data/, redis.pid ...
# Ports are free ones on 127.0.0.1; a service started again in its DIR keeps its port. The services run in
# sessions of their own, so that Ctrl-C reaches the script first and the script stops them in order.

KAFKA_VERSION=4.3.1
SERVICES_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVICES_TRAP=${SERVICES_TRAP:-yes}
SERVICES_KAFKA_DIRS=()
SERVICES_REDIS_DIRS=()

services_say() {
    printf 'services: %s\n' "$*" >&2
}

# Remembers what to stop, and sees to it that it will be stopped. Called as soon as the process is there, not when it
# answers: who is interrupted while a broker starts stops it too.
services_remember() {
    if [ "$1" = kafka ]; then
        SERVICES_KAFKA_DIRS+=("$2")
    else
        SERVICES_REDIS_DIRS+=("$2")
    fi
    if [ "$SERVICES_TRAP" = yes ] && [ -z "$(trap -p EXIT)" ]; then
        trap services_stop EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
    fi
}

services_stop() {
    local dir
    for dir in "${SERVICES_KAFKA_DIRS[@]}"; do
        services_end "$dir/kafka.pid" TERM 20
    done
    for dir in "${SERVICES_REDIS_DIRS[@]}"; do
        services_end "$dir/redis.pid" TERM 10
    done
    SERVICES_KAFKA_DIRS=()
    SERVICES_REDIS_DIRS=()
}

# services_free_port: prints a port nobody listens on, below the range the kernel hands out by itself.
services_free_port() {
    local port tries
    for tries in {1..200}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    services_say "no free port found after $tries tries"
    return 1
}

services_alive() {
    local pid state
    pid=$(cat "$1" 2>/dev/null) || return 1
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    state=$(awk '/^State:/ {print $2}' "/proc/$pid/status" 2>/dev/null)
    [ "$state" != Z ]
}

# services_end PIDFILE SIGNAL SECONDS: sends the signal, waits, kills what is left.
services_end() {
    local pid i
    services_alive "$1" || { rm -f "$1"; return 0; }
    pid=$(cat "$1")
    # It may end by itself at any moment: that is no failure, not even to a caller under set -e.
    kill -CONT "$pid" 2>/dev/null || true
    kill "-$2" "$pid" 2>/dev/null || true
    for ((i = 0; i < $3 * 20; i++)); do
        services_alive "$1" || break
        sleep 0.05
    done
    if services_alive "$1"; then
        services_say "process $pid did not end in $3 s, killing it"
        kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$1"
}

# services_spawn PIDFILE LOG COMMAND...: in a session of its own; the pid is the command's.
services_spawn() {
    local pidfile=$1 log=$2
    shift 2
    rm -f "$pidfile"
    PIDFILE=$pidfile setsid bash -c 'echo $$ >"$PIDFILE.new" && mv "$PIDFILE.new" "$PIDFILE" && exec "$@"' \
        spawn "$@" >>"$log" 2>&1 </dev/null &
    disown 2>/dev/null || true
    local i
    for ((i = 0; i < 100; i++)); do
        [ -s "$pidfile" ] && return 0
        sleep 0.02
    done
    return 1
}

# services_until SECONDS PIDFILE COMMAND...: true once the command is, false when the process ends or time is up.
services_until() {
    local seconds=$1 pidfile=$2 i
    shift 2
    for ((i = 0; i < seconds * 10; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        services_alive "$pidfile" || return 1
        sleep 0.1
    done
    return 1
}

# ---- Kafka

# The jars, downloaded once for all clones of this user; a half-made folder never gets the final name, and a changed
# pom makes it anew.
kafka_jars() {
    local cache=${ZHILIU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zhiliu}
    KAFKA_LIB=$cache/kafka-$KAFKA_VERSION
    cmp -s "$SERVICES_LIB/kafka-pom.xml" "$KAFKA_LIB/pom.xml" && return 0
    command -v mvn >/dev/null || { services_say "mvn is missing: scripts/deps test"; return 1; }
    mkdir -p "$cache"
    (
        flock 9
        cmp -s "$SERVICES_LIB/kafka-pom.xml" "$KAFKA_LIB/pom.xml" && exit 0
        services_say "downloading Apache Kafka $KAFKA_VERSION (54 MB, once) into $KAFKA_LIB"
        part=$KAFKA_LIB.part.$$
        rm -rf "$part"
        mkdir -p "$part"
        cp "$SERVICES_LIB/kafka-pom.xml" "$part/pom.xml"
        for try in 1 2 3; do
            if (cd "$part" && mvn -B -q dependency:copy-dependencies -DoutputDirectory="$part/lib") 2>&1 |
                sed 's/\x1b\[[0-9;]*m//g; /^$/d' >&2 && [ "${PIPESTATUS[0]}" = 0 ]; then
                rm -rf "$KAFKA_LIB"
                mv "$part" "$KAFKA_LIB"
                exit 0
            fi
            services_say "download failed, try $try of 3"
            sleep 2
        done
        rm -rf "$part"
        exit 1
    ) 9>"$cache/.lock"
}

kafka_java() {
    java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_LIB/lib/*" "$@"
}

kafka_properties() {
    cat <<END
node.id=1
process.roles=broker,controller
controller.quorum.voters=1@127.0.0.1:$2
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
advertised.listeners=PLAINTEXT://127.0.0.1:$1
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$3
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# A broker that was killed may register again this soon.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
message.max.bytes=4194304
replica.fetch.max.bytes=4194304
# History is written with timestamps of the past: neither time nor size deletes it, and no timestamp is refused.
log.retention.ms=-1
log.retention.bytes=-1
# Small segments, so that compaction has closed ones to work on.
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=2000
num.network.threads=2
num.io.threads=4
num.partitions=1
END
}

kafka_answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && grep -q 'Kafka Server started' "$2"
}

# kafka_start DIR
kafka_start() {
    local dir port controller tries
    mkdir -p "$1" || return 1
    dir=$(cd "$1" && pwd)
    kafka_jars || return 1
    KAFKA_DIR=$dir
    if services_alive "$dir/kafka.pid"; then
        KAFKA_BROKERS=127.0.0.1:$(cat "$dir/kafka.port")
        export KAFKA_BROKERS
        return 0
    fi
    for tries in 1 2 3; do
        if [ ! -s "$dir/kafka.port" ]; then
            port=$(services_free_port) && controller=$(services_free_port) || return 1
            [ "$port" != "$controller" ] || continue
            rm -rf "$dir/kafka.data"
            kafka_properties "$port" "$controller" "$dir/kafka.data" >"$dir/kafka.properties"
            kafka_java kafka.tools.StorageTool format -t zhiliu-test-cluster-0A -c "$dir/kafka.properties" \
                >"$dir/kafka.format.log" 2>&1 || { cat "$dir/kafka.format.log" >&2; return 1; }
            printf '%s\n' "$port" >"$dir/kafka.port"
        fi
        port=$(cat "$dir/kafka.port")
        : >"$dir/kafka.log"
        services_spawn "$dir/kafka.pid" "$dir/kafka.log" \
            java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
            -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
            -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
            -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
            -cp "$KAFKA_LIB/lib/*" kafka.Kafka "$dir/kafka.properties"
        services_remember kafka "$dir"
        if services_until 60 "$dir/kafka.pid" kafka_answers "$port" "$dir/kafka.log"; then
            touch "$dir/kafka.started"
            KAFKA_BROKERS=127.0.0.1:$port
            export KAFKA_BROKERS
            return 0
        fi
        services_end "$dir/kafka.pid" KILL 5
        # A port lost to somebody else before the first start: choose again. Later the data stays.
        [ -e "$dir/kafka.started" ] || rm -f "$dir/kafka.port"
        services_say "Kafka did not start (try $tries of 3): $(tail -n 1 "$dir/kafka.log")"
    done
    tail -n 20 "$dir/kafka.log" >&2
    return 1
}

# kafka_topic NAME PARTITIONS [config=value...]
kafka_topic() {
    local name=$1 partitions=$2 config=()
    shift 2
    while [ $# -gt 0 ]; do
        config+=(--config "$1")
        shift
    done
    kafka_jars && kafka_java -Xmx128m org.apache.kafka.tools.TopicCommand \
        --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists --topic "$name" \
        --partitions "$partitions" --replication-factor 1 "${config[@]}" >&2
}

# kafka_topics PARTITIONS: events, items, controls and dead-letters, each as the engine wants it.
kafka_topics() {
    local partitions=${1:-4}
    kafka_topic events "$partitions" &&
        kafka_topic items 1 cleanup.policy=compact &&
        kafka_topic controls "$partitions" &&
        kafka_topic dead-letters 1
}

kafka_stop() {
    services_end "$KAFKA_DIR/kafka.pid" TERM 20
}

kafka_kill() {
    services_end "$KAFKA_DIR/kafka.pid" KILL 10
}

kafka_pause() {
    kill -STOP "$(cat "$KAFKA_DIR/kafka.pid")"
}

kafka_resume() {
    kill -CONT "$(cat "$KAFKA_DIR/kafka.pid")"
}

# ---- Redis

redis_answers() {
    [ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]
}

redis_names() {
    REDIS_DIR=$1
    REDIS_URL=redis://127.0.0.1:$(cat "$1/redis.port")/0
    REDIS_SOCK=$(cat "$1/redis.sockname")
    export REDIS_URL REDIS_SOCK
}

# redis_start DIR [redis-server option...]
redis_start() {
    local dir port sock tries
    mkdir -p "$1" || return 1
    dir=$(cd "$1" && pwd)
    shift
    if services_alive "$dir/redis.pid"; then
        redis_names "$dir"
        return 0
    fi
    sock=$dir/redis.sock
    # A unix socket's name may have 107 bytes.
    [ ${#sock} -le 100 ] || sock=$(mktemp -d /tmp/zhiliu-redis.XXXXXX)/redis.sock
    printf '%s\n' "$sock" >"$dir/redis.sockname"
    for tries in 1 2 3; do
        [ -s "$dir/redis.port" ] || services_free_port >"$dir/redis.port" || return 1
        port=$(cat "$dir/redis.port")
        : >"$dir/redis.log"
        services_spawn "$dir/redis.pid" "$dir/redis.log" redis-server --bind 127.0.0.1 --port "$port" \
            --unixsocket "$sock" --dir "$dir" --save "" --appendonly no --daemonize no "$@"
        services_remember redis "$dir"
        if services_until 20 "$dir/redis.pid" redis_answers "$port" && services_alive "$dir/redis.pid"; then
            redis_names "$dir"
            return 0
        fi
        services_end "$dir/redis.pid" KILL 5
        rm -f "$dir/redis.port"
        services_say "Redis did not start (try $tries of 3): $(tail -n 1 "$dir/redis.log")"
    done
    return 1
}

redis_stop() {
    services_end "$REDIS_DIR/redis.pid" TERM 10
}

redis_kill() {
    services_end "$REDIS_DIR/redis.pid" KILL 10
}

redis_pause() {
    kill -STOP "$(cat "$REDIS_DIR/redis.pid")"
}

redis_resume() {
    kill -CONT "$(cat "$REDIS_DIR/redis.pid")"
}

# services_sweep DIR: ends every service whose pid file lies anywhere below DIR (of scripts that were killed).
services_sweep() {
    local pidfile
    find "$1" \( -name kafka.pid -o -name redis.pid \) 2>/dev/null | while read -r pidfile; do
        services_end "$pidfile" TERM 10
    done
}

# ---- As a program

services_main() {
    local what=${1:-help} dir
    case $what in
    kafka_start)
        kafka_start "$2" && printf 'KAFKA_BROKERS=%s\n' "$KAFKA_BROKERS"
        ;;
    redis_start)
        dir=$2
        shift 2
        redis_start "$dir" "$@" && printf 'REDIS_URL=%s\nREDIS_SOCK=%s\n' "$REDIS_URL" "$REDIS_SOCK"
        ;;
    kafka_topic | kafka_topics | kafka_stop | kafka_kill | kafka_pause | kafka_resume)
        KAFKA_DIR=$2
        KAFKA_BROKERS=127.0.0.1:$(cat "$2/kafka.port") || return 1
        shift 2
        "$what" "$@"
        ;;
    redis_stop | redis_kill | redis_pause | redis_resume)
        REDIS_DIR=$2
        "$what"
        ;;
    services_sweep)
        services_sweep "$2"
        ;;
    kafka_jars)
        kafka_jars && printf 'KAFKA_LIB=%s\n' "$KAFKA_LIB"
        ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        return 64
        ;;
    esac
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    SERVICES_TRAP=no
    services_main "$@"
fi
