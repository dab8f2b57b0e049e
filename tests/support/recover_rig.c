// SPDX-License-Identifier: Apache-2.0
#include "tests/support/recover_rig.h"

#include <stdio.h>
#include <string.h>

#include "stages/ddl/publish.h"
#include "tests/check.h"

struct tr_gtid_sources *recover_rig_sources;

struct tr_ddl_model *recover_rig_model(enum tr_flavor flavor)
{
    const struct tr_ddl_options options = {.flavor = flavor,
                                           .hides_int_width = flavor == TR_FLAVOR_MYSQL};
    struct tr_ddl_model *model;
    struct tr_error err;

    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    return model;
}

void recover_rig_open(struct tr_recover *recover, struct tr_ddl_model *model, enum tr_flavor flavor,
                      const struct tr_saved_position *until)
{
    const struct tr_recover_options options = {.flavor = flavor,
                                               .topic_prefix = tr_span_of_text("p"),
                                               .sources = recover_rig_sources,
                                               .until = until,
                                               .model = model};
    struct tr_error err;

    assert_int_equal(tr_recover_open(recover, &options, &err), TR_OK);
}

void recover_rig_take(struct tr_recover *recover, const char *document)
{
    struct tr_error err;
    if (tr_recover_document(recover, tr_span_of_text(document), &err) != TR_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        fail();
    }
}

const struct tr_table *recover_rig_find(const struct tr_ddl_model *model, const char *database,
                                        const char *name)
{
    return tr_ddl_find(model, tr_span_of_text(database), tr_span_of_text(name));
}

int recover_rig_open_sources(void **state)
{
    struct tr_error err;
    (void)state;
    return tr_gtid_sources_open(&recover_rig_sources, &err) == TR_OK ? 0 : -1;
}

int recover_rig_close_sources(void **state)
{
    (void)state;
    tr_gtid_sources_close(recover_rig_sources);
    return 0;
}

char *recover_rig_publish(struct tr_ddl_model *model, enum tr_flavor flavor, const char *sql,
                          const struct tr_table **table)
{
    const struct tr_ddl_publisher publisher = {
        .flavor = flavor, .topic_prefix = tr_span_of_text("p"), .wants_documents = true};
    const struct tr_ddl_place place = {.point = {.file = "b.000001", .pos = 4}, .thread_id = -1};
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d\"b")};
    struct tr_ddl_publication publication;
    struct tr_ddl_result result;
    struct tr_error err;

    assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
    *table = result.changes[0].table;
    if (*table == NULL) {
        return NULL;
    }
    assert_int_equal(tr_ddl_publish(&publisher, &event, &result, &place, &publication, &err),
                     TR_OK);
    assert_int_equal(publication.document_count, 1);
    char *text = strndup(publication.documents[0].text, publication.documents[0].bytes);
    tr_ddl_publication_clear(&publication);
    return text;
}
