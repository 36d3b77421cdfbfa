#!/bin/sh
# Copies each account's snapshots of a day into the DR account with the AWS CLI: cli.sh parallel | batches
#   parallel  all accounts at once (xargs -P), all copies started, then awaited
#   batches   one account after another, in batches of the quota
# Entering an account is the profile's business. Nothing is deleted unless its copy in the DR account has completed.
set -eu

create_copy() { # profile, key, snapshot, source: prints the id of the copy
    aws ec2 copy-snapshot --profile "$1" --source-region "$REGION" --source-snapshot-id "$3" --encrypted \
        --kms-key-id "$2" --description "copy of $4" --query SnapshotId --output text \
        --tag-specifications "ResourceType=snapshot,Tags=[{Key=SourceSnapshotId,Value=$4}]"
}

await() { # profile, copies: the waiter gives up after 10 minutes, so it is asked again
    profile=$1
    shift
    for _ in 1 2 3 4 5 6; do
        aws ec2 wait snapshot-completed --profile "$profile" --snapshot-ids "$@" && return
    done
    return 1
}

copy_batch() { # account, sources
    account=$1
    shift
    first= origins=
    for source; do
        if id=$(create_copy "$account" "$KMS_B" "$source" "$source"); then
            first="$first $id"
            origins="$origins $id=$source"
        else
            failed=1
        fi
    done
    [ -n "$first" ] || return 0
    await "$account" $first
    second= finished=
    for each in $origins; do
        copy=${each%=*}
        aws ec2 modify-snapshot-attribute --profile "$account" --snapshot-id "$copy" \
            --attribute createVolumePermission --operation-type add --user-ids "$DR"
        if id=$(create_copy dr-account "$KMS_C" "$copy" "${each#*=}"); then
            second="$second $id"
            finished="$finished $copy"
        else
            failed=1
        fi
    done
    [ -n "$second" ] || return 0
    await dr-account $second
    for copy in $finished; do
        aws ec2 delete-snapshot --profile "$account" --snapshot-id "$copy"
    done
}

copy_account() { # account, snapshots at once
    failed=0
    sources=$(aws ec2 describe-snapshots --profile "$1" --owner-ids self --filters Name=status,Values=completed \
        --query "Snapshots[?StartTime>='$DAY' && StartTime<'$NEXT_DAY' && KmsKeyId!='$KMS_B'].SnapshotId" --output text)
    echo "$sources" | tr '\t' '\n' | xargs -n "$2" >"batches.$1"
    while read -r batch; do
        copy_batch "$1" $batch </dev/null
    done <"batches.$1"
    return "$failed"
}

case $1 in
    parallel) printf '%s\n' $ACCOUNTS | xargs -P "$(printf '%s\n' $ACCOUNTS | wc -l)" -I ID "$0" account ID 1000 ;;
    batches) printf '%s\n' $ACCOUNTS | xargs -I ID "$0" account ID "$SLOTS" ;;
    account) copy_account "$2" "$3" ;;
esac
